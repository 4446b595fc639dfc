import { readFileSync } from "node:fs";
import { SettingError } from "./errors.js";

/** Returns the contents of a PEM file. */
export function pem(setting: string, path: string): Buffer {
  const fix = "give the path of a readable PEM file";
  let contents: Buffer;
  try {
    contents = readFileSync(path);
  } catch (error) {
    throw new SettingError(setting, `cannot read ${path}: ${(error as Error).message}`, fix);
  }
  if (!contents.includes("-----BEGIN ")) throw new SettingError(setting, `${path} is not a PEM file`, fix);
  return contents;
}
