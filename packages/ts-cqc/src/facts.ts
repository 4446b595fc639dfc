/**
 * Copies an error's own fields into its `cause`, which structuredClone and postMessage keep. They drop the other fields
 * of an error, and its class.
 */
export function keepFacts(error: Error): void {
  const value = { ...error, name: error.name };
  Object.defineProperty(error, "cause", { value, configurable: true, enumerable: false, writable: true });
}
