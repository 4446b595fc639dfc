import { SettingError } from "./errors.js";

/** A bearer token, or a function that returns the one to send with a call, for tokens that are renewed. */
export type Token = string | (() => string | Promise<string>);

/** Returns the value of the `authorization` header. Throws a SettingError, which never shows the token. */
export function bearer(token: string): string {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    const problem = "the token is empty or has characters other than visible ASCII, such as a line break";
    throw new SettingError("token", problem, "pass the token alone, without line breaks or spaces");
  }
  return `Bearer ${token}`;
}

/** Refuses to send a token where others could read it. */
export function refusePlaintext(setting: string): never {
  throw new SettingError(
    setting,
    "a token is never sent without TLS",
    "leave out `plaintext`, or pass an empty `token` to a server that needs none",
  );
}
