// Builds dist/: content-hashed files under assets/, one HTML file per page, and manifest.json,
// which lists every asset so that the server can refuse any other name.
//
//   node build.mjs            production build, prints gzip sizes
//   node build.mjs --watch    rebuilds on change, not minified

import { build, context } from "esbuild";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createHash } from "node:crypto";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const ROOT = path.dirname(fileURLToPath(import.meta.url));
const DIST = path.join(ROOT, "dist");
const PAGES = ["requester", "agent", "meeting"];
const watch = process.argv.includes("--watch");

/** Gives a file a name made from its content, so that browsers may keep it for ever. */
async function emitHashed(source) {
  const content = await readFile(path.join(ROOT, source));
  const digest = createHash("sha256").update(content).digest("hex").slice(0, 10).toUpperCase();
  const { name, ext } = path.parse(source);
  const file = `assets/${name}-${digest}${ext}`;
  await writeFile(path.join(DIST, file), content);
  return file;
}

/** The chunks that a page's script loads at once, so that the page can ask for all of them in one go. */
function staticImports(outputs, file, found = new Set()) {
  for (const { path: imported, kind } of outputs[file].imports) {
    if (kind === "import-statement" && !found.has(imported)) {
      found.add(imported);
      staticImports(outputs, imported, found);
    }
  }
  return [...found];
}

async function writePages(metafile) {
  const template = await readFile(path.join(ROOT, "pages/page.html"), "utf8");
  const icon = await emitHashed("pages/icon.svg");
  const relative = (file) => path.relative(DIST, path.resolve(ROOT, file)).split(path.sep).join("/");
  const outputs = Object.fromEntries(
    Object.entries(metafile.outputs).map(([file, output]) => [
      relative(file),
      { ...output, imports: output.imports.map((entry) => ({ ...entry, path: relative(entry.path) })) },
    ]),
  );
  const produced = (entryPoint) =>
    Object.keys(outputs).find((file) => outputs[file].entryPoint === entryPoint);

  const style = produced("src/styles/index.css");
  const pages = {};
  for (const page of PAGES) {
    const script = produced(`src/pages/${page}.tsx`);
    const preload = staticImports(outputs, script);
    const html = template
      .replace("{{icon}}", `/${icon}`)
      .replace("{{style}}", `/${style}`)
      .replace("{{script}}", `/${script}`)
      .replace("{{preload}}", preload.map((file) => `<link rel="modulepreload" href="/${file}">`).join("\n    "));
    await writeFile(path.join(DIST, `${page}.html`), html);
    pages[page] = { html: `${page}.html`, script: `/${script}`, style: `/${style}`, preload: preload.map((f) => `/${f}`) };
  }
  const assets = [...Object.keys(outputs), icon].sort();
  await writeFile(path.join(DIST, "manifest.json"), `${JSON.stringify({ pages, assets }, null, 2)}\n`);
  return assets;
}

async function reportSizes(assets) {
  let total = 0;
  for (const asset of assets) {
    const size = gzipSync(await readFile(path.join(DIST, asset)), { level: 9 }).length;
    total += size;
    console.log(`${String(size).padStart(8)} B gzip  ${asset}`);
  }
  console.log(`${String(total).padStart(8)} B gzip  in all`);
}

const options = {
  absWorkingDir: ROOT,
  entryPoints: [...PAGES.map((page) => `src/pages/${page}.tsx`), "src/styles/index.css"],
  outdir: "dist/assets",
  entryNames: "[name]-[hash]",
  chunkNames: "chunk-[hash]",
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "browser",
  target: ["es2022", "chrome105", "firefox110", "safari15.4"],
  jsx: "automatic",
  jsxImportSource: "preact",
  minify: !watch,
  legalComments: "none",
  metafile: true,
  logLevel: "warning",
};

async function clean() {
  await rm(DIST, { recursive: true, force: true });
  await mkdir(path.join(DIST, "assets"), { recursive: true });
}

await clean();
if (watch) {
  const watcher = await context({
    ...options,
    plugins: [{ name: "pages", setup: (b) => b.onEnd(async (r) => void (r.metafile && (await writePages(r.metafile)))) }],
  });
  await watcher.watch();
} else {
  const { metafile } = await build(options);
  await reportSizes(await writePages(metafile));
}
