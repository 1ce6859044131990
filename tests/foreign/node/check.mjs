// What the scripts share: where the servers are, what is expected, and how a difference is told.

import { readFileSync } from "node:fs";
import { isDeepStrictEqual, inspect } from "node:util";

export const { CONTRACT, BARE, MADE } = process.env;
export const EXPECTED = JSON.parse(readFileSync(new URL("../expected.json", import.meta.url)));

let checks = 0;
let failures = 0;

export function equal(what, found, expected) {
  checks += 1;
  if (!isDeepStrictEqual(found, expected)) {
    failures += 1;
    console.log(`FAILED ${what}\n  found    ${inspect(found)}\n  expected ${inspect(expected)}`);
  }
}

export function done(client) {
  console.log(`${client}: ${checks} checks, ${failures} failed`);
  process.exit(failures || !checks ? 1 : 0);
}
