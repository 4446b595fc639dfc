// The client layer over @connectrpc/connect, a peer dependency, for browsers and Node.js.
export * from "./client/helpers.js";
export { type ConnectOptions, connect, type TransportFactory } from "./connect/driver.js";
