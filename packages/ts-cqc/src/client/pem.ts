import { readFileSync } from "node:fs";
import { SettingError } from "./errors.js";

/** Returns the contents of a PEM file. */
export function pem(setting: string, path: string): Buffer {
  const fix = "pass the path of a PEM file";
  let contents: Buffer;
  try {
    contents = readFileSync(path);
  } catch (error) {
    throw new SettingError(setting, `${path} cannot be read: ${(error as Error).message}`, fix);
  }
  if (!contents.includes("-----BEGIN ")) throw new SettingError(setting, `${path} holds no PEM block`, fix);
  return contents;
}
