// lib/ is committed, so that the package works without a compiler. This notes what it was built from; --check says no when
// the sources have changed since.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const here = (name) => new URL(name, import.meta.url);
const hash = createHash("sha256");
for (const name of ["src/api.ts", "src/client.ts", "tsconfig.json"]) hash.update(readFileSync(here(name)));
const now = `${hash.digest("hex")}\n`;
if (!process.argv.includes("--check")) writeFileSync(here("lib/built-from.sha256"), now);
else if (readFileSync(here("lib/built-from.sha256"), "utf8") !== now) {
  console.error("lib/ is older than src/: run make typescript");
  process.exit(1);
}
