// Bundles a program for browsers, minified: `node bundle.mjs <bundler> <program> <folder>` writes <folder>/bundle.js.
import { mkdirSync, readdirSync, renameSync } from "node:fs";
import { join, resolve } from "node:path";

const [bundler, program, out] = process.argv.slice(2);
const entry = resolve(program);
const folder = resolve(out);
const file = "bundle.js";

const bundlers = {
  async esbuild() {
    const { build } = await import("esbuild");
    const outfile = join(folder, file);
    await build({ entryPoints: [entry], outfile, bundle: true, format: "esm", minify: true, platform: "browser" });
  },
  async rollup() {
    const { rollup } = await import("rollup");
    const { default: resolver } = await import("@rollup/plugin-node-resolve");
    const { default: commonjs } = await import("@rollup/plugin-commonjs");
    const { transform } = await import("esbuild");
    const minify = { name: "minify", renderChunk: async (code) => transform(code, { minify: true, format: "esm" }) };
    const onwarn = (warning) => {
      // An import of something that only exists in Node.js is a warning to rollup.
      if (warning.code === "UNRESOLVED_IMPORT") throw new Error(warning.message);
    };
    const plugins = [resolver({ browser: true }), commonjs(), minify];
    const built = await rollup({ input: entry, plugins, onwarn });
    await built.write({ file: join(folder, file), format: "es", inlineDynamicImports: true });
  },
  async vite() {
    const { build } = await import("vite");
    const lib = { entry, formats: ["es"], fileName: () => file };
    await build({ logLevel: "warn", build: { lib, outDir: folder, target: "es2022", minify: true } });
  },
  async webpack() {
    const { default: webpack } = await import("webpack");
    const output = { path: folder, filename: file, chunkFormat: "module", library: { type: "module" } };
    const experiments = { outputModule: true };
    const stats = await new Promise((done, failed) => {
      const settings = { mode: "production", target: ["web", "es2022"], entry, output, experiments };
      webpack(settings, (error, found) => (error ? failed(error) : done(found)));
    });
    if (stats.hasErrors()) throw new Error(stats.toString("errors-only"));
  },
  async parcel() {
    const { Parcel } = await import("@parcel/core");
    await new Parcel({
      entries: entry,
      defaultConfig: "@parcel/config-default",
      mode: "production",
      shouldDisableCache: true,
      defaultTargetOptions: { shouldScopeHoist: true, sourceMaps: false },
      targets: {
        page: {
          distDir: folder,
          context: "browser",
          outputFormat: "esmodule",
          isLibrary: false,
          engines: { browsers: ["last 1 Chrome version"] },
        },
      },
    }).run();
    const [written] = readdirSync(folder).filter((name) => name.endsWith(".js"));
    renameSync(join(folder, written), join(folder, file));
  },
};

mkdirSync(folder, { recursive: true });
await bundlers[bundler]();
