import { createSecureContext } from "node:tls";
import * as grpc from "@grpc/grpc-js";
import { accessServerInterceptor, type Verifier } from "../access.js";
import { SettingError } from "../client/errors.js";
import { pem } from "../client/pem.js";
import { validationServerInterceptor } from "../interceptors.js";
import { addService, type OpenStreams, type Service } from "./handlers.js";
import { Health } from "./health.js";
import { addReflection } from "./reflection.js";

/** How to serve. */
export interface ServeOptions {
  /** Host and port to listen on, `localhost:50051` by default. Port 0 takes a free one. */
  address?: string;
  /** Returns the principal of a token. May be left out only for `plaintext` on a loopback address. */
  verify?: Verifier;
  /** PEM file with the server's certificate and those of its issuers. */
  certificate?: string;
  /** PEM file with the key of `certificate`. */
  key?: string;
  /** PEM file with the authorities of clients' certificates. Clients without such a certificate are then refused. */
  clientCa?: string;
  /** Serve without TLS: on this machine, or behind a proxy that ends TLS. */
  plaintext?: boolean;
  /** Milliseconds that unary calls in flight have when the server stops; 5 s by default. */
  graceMs?: number;
  /** Server interceptors of @grpc/grpc-js. They see a call before it is checked. */
  interceptors?: grpc.ServerInterceptor[];
}

/**
 * Serves services over gRPC, with health checks and reflection. Requests are checked against the contracts' rules, and
 * callers against the scopes of the methods.
 *
 *     const server = await serve([service(MarketData, { async getPrice({ assetId }) { ... } })], { plaintext: true });
 *     await server.wait();
 *
 * Throws a SettingError for an option that cannot be used, and for an address in use.
 */
export async function serve(services: readonly Service[], options: ServeOptions = {}): Promise<Server> {
  const { address = "localhost:50051", verify, interceptors = [], graceMs = 5000 } = options;
  const host = address.replace(/:\d*$/, "");
  if (!/^(\[[^\]/]+\]|[^:/]+):\d+$/.test(address)) {
    throw new SettingError("address", `${address} is not a host and a port`, "give both, such as localhost:50051");
  }
  const credentials = credentialsOf(options);
  if (!verify && !(options.plaintext && /^(localhost|127(\.\d+){3}|\[::1\])$/.test(host))) {
    const fix =
      "give a function that returns the principal of a token, or `plaintext` and a loopback address such as localhost:50051";
    throw new SettingError("verify", `missing, so anyone who can reach ${address} could call every method`, fix);
  }
  const access = verify ? [accessServerInterceptor(verify)] : [];
  const server = new grpc.Server({ interceptors: [...interceptors, ...access, validationServerInterceptor] });
  const streams: OpenStreams = new Set();
  const health = new Health(services.map(({ descriptor }) => descriptor.typeName));
  const all = [...services, health];
  for (const service of all) addService(server, service, streams);
  addReflection(
    server,
    all.map(({ descriptor }) => descriptor),
    streams,
  );
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(address, credentials, (error, bound) => {
      if (!error) return resolve(bound);
      const fix = "stop the program that uses the port, or choose another; port 0 picks a free one";
      reject(new SettingError("address", `cannot listen on ${address}: ${error.message}`, fix));
    });
  });
  return new Server(server, host, port, health, streams, graceMs);
}

/** A running server. */
export class Server {
  /** Host and port that the server listens on. */
  readonly address: string;
  private stopped: Promise<void> | undefined;
  private readonly ended: Promise<void>;
  private end!: () => void;

  /** Made by `serve`. */
  constructor(
    private readonly server: grpc.Server,
    host: string,
    /** Port that the server listens on. */
    readonly port: number,
    private readonly health: Health,
    private readonly streams: OpenStreams,
    private readonly graceMs: number,
  ) {
    this.address = `${host}:${port}`;
    this.ended = new Promise((resolve) => {
      this.end = resolve;
    });
  }

  /** Resolves when the server has stopped: on SIGTERM, SIGINT, or `stop`. A second signal ends the process. */
  async wait(): Promise<void> {
    const stop = () => {
      restore();
      void this.stop();
    };
    const restore = () => {
      process.off("SIGTERM", stop);
      process.off("SIGINT", stop);
    };
    process.on("SIGTERM", stop);
    process.on("SIGINT", stop);
    await this.ended;
    restore();
  }

  /**
   * Stops: takes no new calls, ends open streams with UNAVAILABLE, and waits for the unary calls in flight, at most
   * `graceMs`. Resolves when the server has stopped.
   */
  stop(): Promise<void> {
    this.stopped ??= new Promise<void>((resolve) => {
      this.health.stop();
      const timer = setTimeout(() => this.server.forceShutdown(), this.graceMs);
      this.server.tryShutdown(() => {
        clearTimeout(timer);
        resolve();
        this.end();
      });
      // Those who watch the health are told first.
      setImmediate(() => {
        for (const endStream of [...this.streams]) endStream();
      });
    });
    return this.stopped;
  }
}

function credentialsOf({ certificate, key, clientCa, plaintext = false }: ServeOptions): grpc.ServerCredentials {
  if (plaintext) {
    if (certificate || key || clientCa) {
      throw new SettingError("plaintext", "uses no `certificate`, `key` or `clientCa`", "leave either out");
    }
    return grpc.ServerCredentials.createInsecure();
  }
  if (!certificate || !key) {
    const fix = "give the paths `certificate` and `key`, or `plaintext`";
    throw new SettingError(certificate ? "key" : "certificate", "missing", fix);
  }
  const pair = { cert_chain: pem("certificate", certificate), private_key: pem("key", key) };
  const authorities = clientCa ? pem("clientCa", clientCa) : null;
  try {
    createSecureContext({ cert: pair.cert_chain, key: pair.private_key, ...(authorities ? { ca: authorities } : {}) });
  } catch (error) {
    const problem = `${certificate} and ${key} cannot be used: ${(error as Error).message}`;
    throw new SettingError("certificate", problem, "give the certificate and its private key as PEM files");
  }
  return grpc.ServerCredentials.createSsl(authorities, [pair], clientCa !== undefined);
}
