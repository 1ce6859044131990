// Asks through the guide's client in TypeScript, and compares what it says of each error.

import assert from "node:assert/strict";
import { ApiError, call } from "./client.js";

const { CONTRACT, FOREIGN } = process.env;

/** Status, code and text of the error. */
async function errorOf(url, init) {
  const error = await call(url, init).then(() => undefined, (error) => error);
  assert.ok(error instanceof ApiError, `${url}: ${error}`);
  return [error.status, error.code, error.message];
}

assert.match(await (await call(`${CONTRACT}/ping`)).text(), /pong/);
const nowhere = [404, 404, "No resource exists at this URI."];
assert.deepEqual(await errorOf(`${CONTRACT}/nowhere`), nowhere);
assert.deepEqual((await errorOf(`${CONTRACT}/diagnostics/panic`)).slice(0, 2), [500, 500]);
const head = await errorOf(`${CONTRACT}/nowhere`, { method: "HEAD" });
assert.deepEqual(head, [404, 404, "status 404"]);
for (const path of ["html", "list", "empty"]) {
  assert.deepEqual(await errorOf(`${FOREIGN}/${path}`), [502, 502, "status 502"]);
}
// Only an administrator changes the mode.
const admin = `Basic ${btoa("admin:admin")}`;
const headers = { "Content-Type": "application/json", Authorization: admin };
const mode = { method: "POST", headers, body: '{"mode":"something"}' };
assert.deepEqual((await errorOf(`${CONTRACT}/server/mode`, mode)).slice(0, 2), [400, 4020]);
console.log("TypeScript: fetch reads every error");
