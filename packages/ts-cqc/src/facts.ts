/**
 * Copies an error's own fields into its `cause`, which structuredClone and postMessage keep. They drop the other fields
 * of an error, and its class. Not for an error with a cause, which belongs there: its message has to state the fields.
 */
export function keepFacts(error: Error): void {
  const value = { ...error, name: error.name };
  Object.defineProperty(error, "cause", { value, configurable: true, enumerable: false, writable: true });
}
