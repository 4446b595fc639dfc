// The service grpc.health.v1.Health, which load balancers and orchestrators ask.
import { create, createFileRegistry, type DescService, type Message } from "@bufbuild/protobuf";
import {
  FileDescriptorProtoSchema,
  FieldDescriptorProto_Label as Label,
  FieldDescriptorProto_Type as Type,
} from "@bufbuild/protobuf/wkt";
import * as grpc from "@grpc/grpc-js";
import type { Context, Service } from "./handlers.js";

/** Values of grpc.health.v1.HealthCheckResponse.ServingStatus. */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

const file = create(FileDescriptorProtoSchema, {
  name: "grpc/health/v1/health.proto",
  package: "grpc.health.v1",
  syntax: "proto3",
  messageType: [
    {
      name: "HealthCheckRequest",
      field: [{ name: "service", number: 1, type: Type.STRING, label: Label.OPTIONAL }],
    },
    {
      name: "HealthCheckResponse",
      field: [
        {
          name: "status",
          number: 1,
          type: Type.ENUM,
          typeName: ".grpc.health.v1.HealthCheckResponse.ServingStatus",
          label: Label.OPTIONAL,
        },
      ],
      enumType: [
        {
          name: "ServingStatus",
          value: ["UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN"].map((name, number) => ({ name, number })),
        },
      ],
    },
  ],
  service: [
    {
      name: "Health",
      method: [
        {
          name: "Check",
          inputType: ".grpc.health.v1.HealthCheckRequest",
          outputType: ".grpc.health.v1.HealthCheckResponse",
        },
        {
          name: "Watch",
          inputType: ".grpc.health.v1.HealthCheckRequest",
          outputType: ".grpc.health.v1.HealthCheckResponse",
          serverStreaming: true,
        },
      ],
    },
  ],
});

/** Whether services can be called: all of them until the server stops, and then none. */
export class Health implements Service {
  readonly descriptor: DescService;
  private readonly stopping = new AbortController();
  private readonly names: ReadonlySet<string>;

  constructor(names: readonly string[]) {
    this.names = new Set(["", ...names]);
    this.descriptor = createFileRegistry(file, () => undefined).getService("grpc.health.v1.Health") as DescService;
  }

  /** Reports from now on that nothing can be called. */
  stop(): void {
    this.stopping.abort();
  }

  readonly handlers = {
    check: ({ service }: Message & { service: string }) => {
      if (this.names.has(service)) return { status: this.status(service) };
      throw { code: grpc.status.NOT_FOUND, details: `this server has no service ${service}` };
    },
    watch: async function* (this: Health, { service }: Message & { service: string }, { signal }: Context) {
      yield { status: this.status(service) };
      await anyAborted(signal, this.stopping.signal);
      if (!signal.aborted) yield { status: this.status(service) };
      await anyAborted(signal);
    }.bind(this),
  };

  private status(service: string): number {
    if (!this.names.has(service)) return SERVICE_UNKNOWN;
    return this.stopping.signal.aborted ? NOT_SERVING : SERVING;
  }
}

function anyAborted(...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of signals) {
      if (signal.aborted) resolve();
      signal.addEventListener("abort", () => resolve(), { once: true });
    }
  });
}
