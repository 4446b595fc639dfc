// Replaces @grpc/grpc-js in browsers, where it cannot run; see "browser" in package.json.

/** Returns a client class that throws when it is instantiated. */
export function makeGenericClientConstructor(): new () => never {
  return class {
    constructor() {
      throw new Error("@grpc/grpc-js does not run in browsers: use a Connect transport with the service descriptor");
    }
  } as new () => never;
}
