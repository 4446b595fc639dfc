import { SettingError } from "./errors.js";

/** A bearer token, or a function that returns the one to send with a call, for tokens that are renewed. */
export type Token = string | (() => string | Promise<string>);

/** Returns the value of the `authorization` header. Throws a SettingError, which never shows the token. */
export async function bearer(token: Token): Promise<string> {
  const current = typeof token === "string" ? token : await token();
  if (typeof current !== "string") {
    throw new SettingError("token", `the function returned ${current}`, "return the token, a string");
  }
  checkToken("token", current);
  return `Bearer ${current}`;
}

/** Throws a SettingError for a token that no header can hold. A function's tokens are checked when they are sent. */
export function checkToken(setting: string, token: Token): void {
  if (typeof token !== "string" || /^[\x21-\x7e]+$/.test(token)) return;
  const problem = "is empty, or has characters that no token has, such as a line break or a space";
  throw new SettingError(setting, problem, "remove them, with `trim()` after reading a file");
}

/** Throws a SettingError for a default timeout that is not a time. */
export function checkTimeout(timeoutMs: number): void {
  if (timeoutMs >= 0) return;
  throw new SettingError("timeoutMs", `${timeoutMs} is not a time to wait`, "give milliseconds, or 0 for no limit");
}
