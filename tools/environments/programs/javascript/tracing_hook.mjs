// What `node --import` needs for OpenTelemetry to see ES modules.
import { register } from "node:module";

register("@opentelemetry/instrumentation/hook.mjs", import.meta.url);
await import("./tracing.cjs");
