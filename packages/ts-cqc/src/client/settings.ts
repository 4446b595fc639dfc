import { SettingError } from "./errors.js";

/** A bearer token, or a function that returns the one to send with a call, for tokens that are renewed. */
export type Token = string | (() => string | Promise<string>);

/** Returns the value of the `authorization` header. Throws a SettingError, which never shows the token. */
export async function bearer(token: Token): Promise<string> {
  const current = typeof token === "string" ? token : await token();
  checkToken("token", current);
  return `Bearer ${current}`;
}

/** Throws a SettingError for a token that no header can hold. A function's tokens are checked when they are sent. */
export function checkToken(setting: string, token: Token): void {
  if (typeof token !== "string" || /^[\x21-\x7e]+$/.test(token)) return;
  const problem = "the token is empty, or has a space, a line break or another character that is not visible ASCII";
  throw new SettingError(setting, problem, "pass the token alone; trim() what was read from a file");
}
