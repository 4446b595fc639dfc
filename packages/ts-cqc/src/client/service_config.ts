import type { DescService } from "@bufbuild/protobuf";
import * as contracts from "../gen/cqc/services/v1/index.js";
import { isRepeatable, RETRY } from "./retry_policy.js";

/** Returns whether the service is one of CQC. */
export function isContract(service: DescService): boolean {
  return service.typeName in services();
}

function services(): Record<string, DescService> {
  const all = Object.values(contracts).filter(
    (item): item is typeof item & DescService => typeof item === "object" && item.kind === "service",
  );
  return Object.fromEntries(all.map((service) => [service.typeName, service]));
}

/**
 * Returns gRPC's service config as JSON: retries of the methods that can be repeated. The default is that of all services
 * of CQC, the same text in the packages of all languages.
 */
export function serviceConfig(of: readonly DescService[] = Object.values(services())): string {
  const name = of
    .flatMap(({ methods }) => methods)
    .filter(isRepeatable)
    .map(({ name, parent }) => ({ method: name, service: parent.typeName }));
  const retryPolicy = {
    backoffMultiplier: 2,
    initialBackoff: `${RETRY.initialBackoffMs / 1000}s`,
    maxAttempts: RETRY.maxAttempts,
    maxBackoff: `${RETRY.maxBackoffMs / 1000}s`,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  return JSON.stringify({
    methodConfig: name.length > 0 ? [{ name, retryPolicy }] : [],
    retryThrottling: { maxTokens: RETRY.maxTokens, tokenRatio: RETRY.tokenRatio },
  });
}
