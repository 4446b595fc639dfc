// A client layer over @grpc/grpc-js, a peer dependency: connections with TLS, tokens, deadlines and retries; pages;
// streams that resume; order books; orders whose answer was lost.
export { type ConnectOptions, connect } from "./client/grpc.js";
export * from "./client/helpers.js";
