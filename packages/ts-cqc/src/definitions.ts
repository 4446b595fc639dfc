// Clients and service definitions for @grpc/grpc-js, derived from protobuf-es service descriptors.
import {
  create,
  type DescMessage,
  type DescMethod,
  type DescService,
  fromBinary,
  type MessageInitShape,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";

type Methods<S extends DescService> = S["method"];
type Input<M extends DescMethod> = MessageShape<M["input"]>;
type Output<M extends DescMethod> = MessageShape<M["output"]>;
/** A message to send, or a plain object with some of its fields. */
type InputInit<M extends DescMethod> = MessageInitShape<M["input"]>;
type OutputInit<M extends DescMethod> = MessageInitShape<M["output"]>;
type Callback<M extends DescMethod> = grpc.requestCallback<Output<M>>;

interface Unary<M extends DescMethod> {
  (request: InputInit<M>, callback: Callback<M>): grpc.ClientUnaryCall;
  (request: InputInit<M>, metadata: grpc.Metadata, callback: Callback<M>): grpc.ClientUnaryCall;
  (request: InputInit<M>, options: grpc.CallOptions, callback: Callback<M>): grpc.ClientUnaryCall;
  (
    request: InputInit<M>,
    metadata: grpc.Metadata,
    options: grpc.CallOptions,
    callback: Callback<M>,
  ): grpc.ClientUnaryCall;
}

interface ServerStreaming<M extends DescMethod> {
  (request: InputInit<M>, options?: grpc.CallOptions): grpc.ClientReadableStream<Output<M>>;
  (request: InputInit<M>, metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientReadableStream<Output<M>>;
}

interface ClientStreaming<M extends DescMethod> {
  (callback: Callback<M>): grpc.ClientWritableStream<InputInit<M>>;
  (metadata: grpc.Metadata, callback: Callback<M>): grpc.ClientWritableStream<InputInit<M>>;
  (metadata: grpc.Metadata, options: grpc.CallOptions, callback: Callback<M>): grpc.ClientWritableStream<InputInit<M>>;
}

interface BidiStreaming<M extends DescMethod> {
  (options?: grpc.CallOptions): grpc.ClientDuplexStream<InputInit<M>, Output<M>>;
  (metadata: grpc.Metadata, options?: grpc.CallOptions): grpc.ClientDuplexStream<InputInit<M>, Output<M>>;
}

/** A @grpc/grpc-js client with one function per RPC. */
export type GrpcClient<S extends DescService> = grpc.Client & {
  [K in keyof Methods<S>]: Methods<S>[K]["methodKind"] extends "unary"
    ? Unary<Methods<S>[K]>
    : Methods<S>[K]["methodKind"] extends "server_streaming"
      ? ServerStreaming<Methods<S>[K]>
      : Methods<S>[K]["methodKind"] extends "client_streaming"
        ? ClientStreaming<Methods<S>[K]>
        : BidiStreaming<Methods<S>[K]>;
};

/** The client class of a service. */
export type GrpcClientConstructor<S extends DescService> = new (
  address: string,
  credentials: grpc.ChannelCredentials,
  options?: grpc.ClientOptions,
) => GrpcClient<S>;

/** The handlers of a service, for `server.addService`. */
export type ServiceImplementation<S extends DescService> = {
  [K in keyof Methods<S>]: Methods<S>[K]["methodKind"] extends "unary"
    ? grpc.handleUnaryCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>
    : Methods<S>[K]["methodKind"] extends "server_streaming"
      ? grpc.handleServerStreamingCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>
      : Methods<S>[K]["methodKind"] extends "client_streaming"
        ? grpc.handleClientStreamingCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>
        : grpc.handleBidiStreamingCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>;
};

/** The definition of a service, for `server.addService`. */
export type ServiceDefinition<S extends DescService> = grpc.ServiceDefinition<ServiceImplementation<S>>;

function serializer<D extends DescMessage>(schema: D): grpc.serialize<MessageInitShape<D>> {
  return (value) => Buffer.from(toBinary(schema, create(schema, value)));
}

function deserializer<D extends DescMessage>(schema: D): grpc.deserialize<MessageShape<D>> {
  return (bytes) => fromBinary(schema, bytes);
}

// The method travels on the functions that grpc-js hands to interceptors: a registry of this module would be missing
// from a second copy of the package, such as its CommonJS form.
const METHOD = Symbol.for("@cq/cqc method");

/** Returns the method that a serializer or deserializer of a service definition belongs to, in any copy of the package. */
export function methodOf(serializer: unknown): DescMethod | undefined {
  return (serializer as { [METHOD]?: DescMethod } | undefined)?.[METHOD];
}

/** Returns the definition of a service, for `server.addService`. */
export function serviceDefinition<S extends DescService>(service: S): ServiceDefinition<S> {
  const definition: unknown = Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: Object.assign(serializer(method.input), { [METHOD]: method }),
        requestDeserialize: Object.assign(deserializer(method.input), { [METHOD]: method }),
        responseSerialize: serializer(method.output),
        responseDeserialize: deserializer(method.output),
        originalName: method.name,
      },
    ]),
  );
  return definition as ServiceDefinition<S>;
}

/** Returns the client class of a service. */
export function clientConstructor<S extends DescService>(service: S): GrpcClientConstructor<S> {
  const client: unknown = grpc.makeGenericClientConstructor(serviceDefinition(service), service.name);
  return client as GrpcClientConstructor<S>;
}
