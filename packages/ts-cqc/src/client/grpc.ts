// Connections over @grpc/grpc-js.
import { create, type DescMessage, type DescMethod, type DescService, type MessageInitShape } from "@bufbuild/protobuf";
import * as grpc from "@grpc/grpc-js";
import { serviceDefinition } from "../definitions.js";
import { CertificateError, isUntrusted, SettingError } from "./errors.js";
import { pem } from "./pem.js";
import { withRequestId } from "./request_id.js";
import { CONTRACTS, serviceConfig } from "./service_config.js";
import { bearer, checkTimeout, checkToken, type Token } from "./settings.js";
import type { CallOptions, Client, Connection } from "./types.js";

/** How to reach a server. */
export interface ConnectOptions {
  /** Address, such as `localhost:50051`. Absent means CQC_TARGET. */
  target?: string;
  /** Sent with every call. Absent means CQC_TOKEN; empty sends none. */
  token?: Token;
  /** PEM file with the authorities to trust. Absent means CQC_CA, or else the authorities that Node.js trusts. */
  ca?: string;
  /** PEM file with the client's certificate and those of its issuers, for servers that demand one. */
  certificate?: string;
  /** PEM file with the key of `certificate`. */
  key?: string;
  /** Connect without TLS, which excludes a token. */
  plaintext?: boolean;
  /** Milliseconds after which a unary call without a `timeoutMs` of its own fails; 10 s by default, 0 means never. */
  timeoutMs?: number;
  /** Interceptors of @grpc/grpc-js, the first one outermost. */
  interceptors?: grpc.Interceptor[];
  /** Options of @grpc/grpc-js. */
  channelOptions?: grpc.ClientOptions;
}

/**
 * Connects to a server over TLS. Calls that can be repeated are repeated while the server is not available.
 *
 *     const connection = connect({ target: "cqc.example.com:443", token });
 *     const price = await connection.client(MarketData).getPrice({ assetId: "BTC" });
 *
 * Throws a SettingError for an option that cannot be used. The connection is made by the first call, which fails with a
 * CertificateError if the server's certificate is not trusted.
 */
export function connect(options: ConnectOptions = {}): Connection {
  const target = options.target ?? process.env.CQC_TARGET;
  if (!target) {
    const fix = "set it to the address of the server, such as markets.example.com:443";
    throw new SettingError("CQC_TARGET", "not set, and no target is given", fix);
  }
  if (/^https?:\/\//.test(target))
    throw new SettingError("target", `${target} is a URL`, "give host and port, such as markets.example.com:443");
  return new GrpcConnection(target, options);
}

class GrpcConnection implements Connection {
  private readonly credentials: grpc.ChannelCredentials;
  private readonly token: Token;
  /** By service config, which gRPC reads once per channel. */
  private readonly channels = new Map<string, grpc.Channel>();
  readonly timeoutMs: number;

  constructor(
    readonly target: string,
    private readonly options: ConnectOptions,
  ) {
    this.token = tokenOf(options);
    this.credentials = credentialsOf(options);
    this.timeoutMs = options.timeoutMs ?? 10_000;
    checkTimeout(this.timeoutMs);
  }

  client<D extends DescService>(service: D): Client<D> {
    const { interceptors = [], channelOptions = {} } = this.options;
    const channelOverride = channelOptions.channelOverride ?? this.channel(service);
    const client = new grpc.Client(this.target, this.credentials, { ...channelOptions, interceptors, channelOverride });
    const definition: grpc.ServiceDefinition = serviceDefinition(service);
    const calls = service.methods.map((method) => {
      const call = new Call(this, client, method, definition[method.localName] as AnyMethod);
      const isStream = method.methodKind === "server_streaming";
      return [method.localName, isStream ? call.stream : method.methodKind === "unary" ? call.unary : undefined];
    });
    return Object.fromEntries(calls.filter(([, call]) => call));
  }

  /** Returns the deadline and the credentials of a call. Zero milliseconds mean no deadline. */
  async callOptions(timeoutMs = 0): Promise<grpc.CallOptions> {
    const deadline = timeoutMs > 0 ? { deadline: Date.now() + timeoutMs } : {};
    if (!this.token) return deadline;
    const metadata = metadataOf({ authorization: await bearer(this.token) });
    // Credentials, unlike metadata, stay out of what interceptors and traces see.
    const credentials = grpc.credentials.createFromMetadataGenerator((_, callback) => callback(null, metadata));
    return { ...deadline, credentials };
  }

  close(): void {
    for (const channel of this.channels.values()) channel.close();
  }

  private channel(service: DescService): grpc.Channel {
    const config = CONTRACTS.some(({ typeName }) => typeName === service.typeName)
      ? serviceConfig()
      : serviceConfig([service]);
    let channel = this.channels.get(config);
    if (!channel) {
      channel = new grpc.Channel(this.target, this.credentials, {
        "grpc.initial_reconnect_backoff_ms": 200,
        "grpc.max_reconnect_backoff_ms": 2000,
        "grpc.service_config": config,
        ...this.options.channelOptions,
      });
      this.channels.set(config, channel);
    }
    return channel;
  }
}

type AnyMethod = grpc.MethodDefinition<unknown, unknown>;

/** The calls of one method, as functions that need no `this`. */
class Call {
  constructor(
    private readonly connection: GrpcConnection,
    private readonly client: grpc.Client,
    private readonly method: DescMethod,
    private readonly definition: AnyMethod,
  ) {}

  readonly unary = async (request: object, { signal, timeoutMs, headers }: CallOptions = {}): Promise<unknown> => {
    const message = withRequestId(this.method, request);
    const options = await this.connection.callOptions(timeoutMs ?? this.connection.timeoutMs);
    throwIfAborted(signal);
    const { path, requestSerialize, responseDeserialize } = this.definition;
    return new Promise((resolve, reject) => {
      const call = this.client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        message,
        metadataOf(headers),
        options,
        (error, response) => {
          signal?.removeEventListener("abort", cancel);
          if (error) reject(this.explain(error, options, signal));
          else resolve(response);
        },
      );
      const cancel = () => call.cancel();
      signal?.addEventListener("abort", cancel, { once: true });
    });
  };

  readonly stream = async function* (
    this: Call,
    request: object,
    { signal, timeoutMs, headers }: CallOptions = {},
  ): AsyncGenerator<unknown> {
    const message = create(this.method.input, request as MessageInitShape<DescMessage>);
    const options = await this.connection.callOptions(timeoutMs);
    throwIfAborted(signal);
    const { path, requestSerialize, responseDeserialize } = this.definition;
    const call = this.client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadataOf(headers),
      options,
    );
    // The status of a call that was left early has no other listener, and would end the process.
    call.on("error", () => {});
    const cancel = () => call.cancel();
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      yield* call;
    } catch (error) {
      throw this.explain(error as grpc.ServiceError, options, signal);
    } finally {
      signal?.removeEventListener("abort", cancel);
      call.cancel();
    }
  }.bind(this);

  /** Names trouble with certificates, which gRPC reports as if the server were not available, and passed deadlines. */
  private explain(error: grpc.ServiceError, { deadline }: grpc.CallOptions, signal: AbortSignal | undefined): Error {
    // A server of grpc-go resets a call whose deadline has passed, and grpc-js may read that before its own timer runs.
    if (error.code === grpc.status.CANCELLED && !signal?.aborted && deadline !== undefined && Date.now() >= +deadline) {
      return callError(grpc.status.DEADLINE_EXCEEDED, "deadline exceeded", error.metadata);
    }
    if (!isUntrusted(error, error.details)) return error;
    const fix =
      "set CQC_CA or `ca` to the PEM file of the CA that signed the server's certificate, `certificate` and `key` if the " +
      "server requires a client certificate, or `plaintext` if it speaks no TLS";
    return new CertificateError(this.connection.target, error.details, fix, error);
  }
}

/** gRPC loses a cancellation that comes before it has sent the call, so such a call is not made. */
function throwIfAborted(signal: AbortSignal | undefined): void {
  if (!signal?.aborted) return;
  throw callError(grpc.status.CANCELLED, "cancelled before the call was made", new grpc.Metadata());
}

function callError(code: grpc.status, details: string, metadata: grpc.Metadata): grpc.ServiceError {
  return Object.assign(new Error(`${code} ${grpc.status[code]}: ${details}`), { code, details, metadata });
}

function metadataOf(headers: Record<string, string> = {}): grpc.Metadata {
  const metadata = new grpc.Metadata();
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value);
  return metadata;
}

/** Returns the token to send, which is empty if there is none. */
function tokenOf({ token, plaintext }: ConnectOptions): Token {
  const found = token ?? process.env.CQC_TOKEN ?? "";
  const name = token === undefined ? "CQC_TOKEN" : "token";
  // grpc-js itself would send it.
  if (found && plaintext) {
    const fix = "connect over TLS, or give an empty `token` to send none";
    throw new SettingError("plaintext", `would send ${name} readable to everyone`, fix);
  }
  if (found) checkToken(name, found);
  return found;
}

function credentialsOf(options: ConnectOptions): grpc.ChannelCredentials {
  const { certificate, key, plaintext = false } = options;
  if (plaintext) {
    if (options.ca || certificate || key) {
      throw new SettingError("plaintext", "uses no `ca`, `certificate` or `key`", "leave either out");
    }
    return grpc.credentials.createInsecure();
  }
  if (Boolean(certificate) !== Boolean(key)) {
    if (certificate) {
      throw new SettingError("key", "missing beside `certificate`", "give the path of the certificate's private key");
    }
    throw new SettingError("certificate", "missing beside `key`", "give the path of the key's certificate");
  }
  const ca = options.ca ?? process.env.CQC_CA;
  const roots = ca ? pem(options.ca === undefined ? "CQC_CA" : "ca", ca) : null;
  return ssl(roots, key ? pem("key", key) : null, certificate ? pem("certificate", certificate) : null);
}

function ssl(roots: Buffer | null, key: Buffer | null, certificate: Buffer | null): grpc.ChannelCredentials {
  try {
    return grpc.credentials.createSsl(roots, key, certificate);
  } catch (error) {
    const problem = `the certificates cannot be used: ${(error as Error).message}`;
    throw new SettingError(
      certificate ? "certificate" : "ca",
      problem,
      "give the certificate and its private key as PEM files",
    );
  }
}
