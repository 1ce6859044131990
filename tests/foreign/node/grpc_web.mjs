// grpc-web, in both of its formats: every failure, and healthy calls.

import { createRequire } from "node:module";
import { BARE, CONTRACT, EXPECTED, done, equal } from "./check.mjs";

const require = createRequire(import.meta.url);
// The client is made for browsers.
globalThis.XMLHttpRequest = require("xhr2");
const { GrpcWebClientBase, MethodDescriptor, MethodType } = require("grpc-web");

// Messages stay bytes: what is tested is what is around them.
function descriptor(path, type) {
  const bytes = (message) => message;
  return new MethodDescriptor(path, type, Uint8Array, Uint8Array, bytes, bytes);
}

function unary(client, url, path, message = new Uint8Array()) {
  return new Promise((resolve) => {
    const method = descriptor(path, MethodType.UNARY);
    client.rpcCall(url + path, message, {}, method, (error, response) =>
      resolve(error ? [error.code, error.message] : Buffer.from(response)),
    );
  });
}

function streamed(client, url, path, message = new Uint8Array()) {
  return new Promise((resolve) => {
    const messages = [];
    const method = descriptor(path, MethodType.SERVER_STREAMING);
    const stream = client.serverStreaming(url + path, message, {}, method);
    stream.on("data", (data) => messages.push(Buffer.from(data).toString("hex")));
    stream.on("error", ({ code, message }) => resolve([messages, [code, message]]));
    stream.on("end", () => resolve([messages, "end"]));
  });
}

const diagnostics = (method) => `/recordings.v1.Diagnostics/${method}`;

for (const format of ["binary", "text"]) {
  const client = new GrpcWebClientBase({ format });
  for (const [name, expected] of Object.entries(EXPECTED)) {
    if (name === "PanicInStream") continue;
    const path = name === "nowhere" ? "/nowhere.v1.Service/Method" : diagnostics(name);
    equal(`${format}: ${name}`, await unary(client, CONTRACT, path), expected);
  }
  const healthy = async (url) => [
    await unary(client, url, "/recordings.v1.Recordings/Search"),
    await unary(client, url, diagnostics("Echo"), Buffer.from("0a0401020304", "hex")),
    await unary(client, url, diagnostics("OwnStatus")),
    // Only the text format can be read while it comes.
    ...(format === "text"
      ? [await streamed(client, url, "/recordings.v1.Recordings/Play", Buffer.from("\n\x07call-04"))]
      : []),
  ];
  const bare = await healthy(BARE);
  equal(`${format}: an echo`, bare[1].toString("hex"), "0a0401020304");
  equal(`${format}: a status of the service`, bare[2], [9, "the archive is locked: 100 %"]);
  if (format === "text") equal("text: a stream", [bare[3][0].length, bare[3][1]], [1, "end"]);
  equal(`${format}: healthy`, await healthy(CONTRACT), bare);
}

const text = new GrpcWebClientBase({ format: "text" });
const sent = ["one", "two"].map((chunk) => Buffer.from(`\n\x03${chunk}`).toString("hex"));
const broken = await streamed(text, CONTRACT, diagnostics("PanicInStream"));
equal("text: PanicInStream", broken, [sent, EXPECTED.PanicInStream]);

done("grpc-web");
