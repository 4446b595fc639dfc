// Stands in for @grpc/grpc-js in browsers, where that cannot run: see "browser" in package.json.

/** Makes a class that explains itself instead of a client. */
export function makeGenericClientConstructor(): new () => never {
  return class {
    constructor() {
      throw new Error(
        "@grpc/grpc-js does not run in browsers: use a transport of Connect with the service's descriptor",
      );
    }
  } as new () => never;
}
