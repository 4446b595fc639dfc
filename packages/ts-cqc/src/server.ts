// Serves services over @grpc/grpc-js, with health checks, reflection, validation, access by scope and graceful
// shutdown. Requires the optional peer dependencies @grpc/grpc-js and @bufbuild/protovalidate.
export { SettingError } from "./client/errors.js";
export { type Context, type Handlers, type Service, service } from "./server/handlers.js";
export { type ServeOptions, type Server, serve } from "./server/serve.js";
