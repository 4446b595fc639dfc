// Clients and service definitions for @grpc/grpc-js, inferred from protobuf-es' service descriptors.
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
/** What may be sent: a message, or a plain object with some of its fields. */
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

/** A client of a service: one function per RPC, as @grpc/grpc-js makes them. */
export type Client<S extends DescService> = grpc.Client & {
  [K in keyof Methods<S>]: Methods<S>[K]["methodKind"] extends "unary"
    ? Unary<Methods<S>[K]>
    : Methods<S>[K]["methodKind"] extends "server_streaming"
      ? ServerStreaming<Methods<S>[K]>
      : Methods<S>[K]["methodKind"] extends "client_streaming"
        ? ClientStreaming<Methods<S>[K]>
        : BidiStreaming<Methods<S>[K]>;
};

/** Makes clients of a service. */
export type ClientConstructor<S extends DescService> = new (
  address: string,
  credentials: grpc.ChannelCredentials,
  options?: grpc.ClientOptions,
) => Client<S>;

/** The handlers of a whole service, as `server.addService` takes them. */
export type ServiceImplementation<S extends DescService> = {
  [K in keyof Methods<S>]: Methods<S>[K]["methodKind"] extends "unary"
    ? grpc.handleUnaryCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>
    : Methods<S>[K]["methodKind"] extends "server_streaming"
      ? grpc.handleServerStreamingCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>
      : Methods<S>[K]["methodKind"] extends "client_streaming"
        ? grpc.handleClientStreamingCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>
        : grpc.handleBidiStreamingCall<Input<Methods<S>[K]>, OutputInit<Methods<S>[K]>>;
};

/** What `server.addService` has to know of a service: paths, streaming, and how messages are written and read. */
export type ServiceDefinition<S extends DescService> = grpc.ServiceDefinition<ServiceImplementation<S>>;

function serializer<D extends DescMessage>(schema: D): grpc.serialize<MessageInitShape<D>> {
  return (value) => Buffer.from(toBinary(schema, create(schema, value)));
}

function deserializer<D extends DescMessage>(schema: D): grpc.deserialize<MessageShape<D>> {
  return (bytes) => fromBinary(schema, bytes);
}

const methods = new Map<string, DescMethod>();

/** The method with a path such as `/cqc.services.v1.MarketData/GetPrice`; undefined unless its service was defined here. */
export function methodAt(path: string): DescMethod | undefined {
  return methods.get(path);
}

/** The definition of a service for `server.addService`. */
export function serviceDefinition<S extends DescService>(service: S): ServiceDefinition<S> {
  for (const method of service.methods) methods.set(`/${service.typeName}/${method.name}`, method);
  const made: unknown = Object.fromEntries(
    service.methods.map((method) => [
      method.localName,
      {
        path: `/${service.typeName}/${method.name}`,
        requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
        responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
        requestSerialize: serializer(method.input),
        requestDeserialize: deserializer(method.input),
        responseSerialize: serializer(method.output),
        responseDeserialize: deserializer(method.output),
        originalName: method.name,
      },
    ]),
  );
  return made as ServiceDefinition<S>;
}

/** The class whose instances are clients of a service. */
export function clientConstructor<S extends DescService>(service: S): ClientConstructor<S> {
  const made: unknown = grpc.makeGenericClientConstructor(serviceDefinition(service), service.name);
  return made as ClientConstructor<S>;
}
