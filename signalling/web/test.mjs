// Bundles every tests/*.test.ts(x) for Node and runs them with Node's own test runner.

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const output = mkdtempSync(path.join(ROOT, "node_modules/.tests-"));
try {
  const tests = readdirSync(path.join(ROOT, "tests")).filter((name) => /\.test\.tsx?$/.test(name));
  await build({
    absWorkingDir: ROOT,
    entryPoints: tests.map((name) => `tests/${name}`),
    outdir: output,
    outExtension: { ".js": ".mjs" },
    bundle: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    jsx: "automatic",
    jsxImportSource: "preact",
    sourcemap: "inline",
    logLevel: "warning",
  });
  const files = readdirSync(output).map((name) => path.join(output, name));
  const { status } = spawnSync(process.execPath, ["--enable-source-maps", "--test", ...files], { stdio: "inherit" });
  process.exitCode = status ?? 1;
} finally {
  rmSync(output, { recursive: true, force: true });
}
