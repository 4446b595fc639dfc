// What an editor shows for a program beside the tests, by the language service of TypeScript 5.9.
import ts from "typescript-5.9";

/** Returns the language service for one program, which need not be on disk. */
export function languageService(file, text, options) {
  return ts.createLanguageService({
    ...ts.sys,
    getCompilationSettings: () => options,
    getCurrentDirectory: () => import.meta.dirname,
    getDefaultLibFileName: ts.getDefaultLibFilePath,
    getScriptFileNames: () => [file],
    getScriptVersion: () => "1",
    useCaseSensitiveFileNames: () => true,
    fileExists: (name) => name === file || ts.sys.fileExists(name),
    readFile: (name) => (name === file ? text : ts.sys.readFile(name)),
    getScriptSnapshot: (name) => {
      const content = name === file ? text : ts.sys.readFile(name);
      return content === undefined ? undefined : ts.ScriptSnapshot.fromString(content);
    },
  });
}

/** Returns the documentation shown at a position of the program. */
export function documentationAt(service, file, position) {
  return ts.displayPartsToString(service.getQuickInfoAtPosition(file, position)?.documentation);
}
