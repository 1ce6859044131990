// @grpc/grpc-js: every failure, and that no healthy call differs with the contract and without.

import grpc from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";
import { BARE, CONTRACT, EXPECTED, done, equal } from "./check.mjs";

const { v1 } = grpc.loadPackageDefinition(loadSync(process.env.PROTO)).recordings;

const ours = (name) => name.startsWith("access-control-") || name === "date";

function metadata(given) {
  const pairs = Object.entries(given?.toJSON() ?? {});
  return pairs.filter(([name]) => !ours(name)).sort();
}

// Everything that a call shows to its client.
function observed(call, answer = {}) {
  return new Promise((resolve) => {
    call.on("metadata", (head) => (answer.head = metadata(head)));
    call.on("data", (message) => (answer.messages ??= []).push(message));
    call.on("error", () => {});
    call.on("status", ({ code, details, metadata: trailers }) =>
      resolve({ ...answer, code, details, trailers: metadata(trailers) }),
    );
  });
}

function unary(client, method, message = {}) {
  const answer = {};
  const call = client[method](message, (_, response) => response && (answer.messages = [response]));
  return observed(call, answer);
}

function connect(url) {
  const at = url.replace("http://", "");
  const insecure = grpc.credentials.createInsecure();
  return [new v1.Recordings(at, insecure), new v1.Diagnostics(at, insecure)];
}

async function healthy(url) {
  const [recordings, diagnostics] = connect(url);
  const both = diagnostics.EchoAll();
  for (let size = 0; size < 100; size += 1) both.write({ data: Buffer.alloc(size * 50, size) });
  both.end();
  return Promise.all([
    unary(recordings, "Search"),
    unary(recordings, "Search", { text: "nobody" }),
    observed(recordings.Play({ id: "call-01" })),
    observed(recordings.Play({ id: "call-99" })),
    unary(diagnostics, "Echo"),
    unary(diagnostics, "Echo", { data: Buffer.alloc(3_000_000, "x") }),
    unary(diagnostics, "OwnStatus"),
    observed(both),
  ]);
}

const bare = await healthy(BARE);
equal("the codes of the service", bare.map(({ code }) => code), [0, 0, 0, 5, 0, 0, 9, 0]);
equal("the messages of a stream", bare[2].messages.length, 16);
equal("healthy calls, with the contract", await healthy(CONTRACT), bare);

const [, diagnostics] = connect(CONTRACT);
const Elsewhere = grpc.makeGenericClientConstructor({
  Ask: { ...v1.Diagnostics.service.Panic, path: "/nowhere.v1.Service/Method" },
});
const elsewhere = new Elsewhere(CONTRACT.replace("http://", ""), grpc.credentials.createInsecure());

for (const [name, [code, details]] of Object.entries(EXPECTED)) {
  if (name === "PanicInStream") continue;
  const call = name === "nowhere" ? unary(elsewhere, "Ask") : unary(diagnostics, name);
  const found = await call;
  equal(name, [found.code, found.details, found.messages], [code, details, undefined]);
}

const broken = await observed(diagnostics.PanicInStream({}));
const sent = broken.messages.map(({ data }) => data.toString());
const [code, details] = EXPECTED.PanicInStream;
equal("PanicInStream", [sent, broken.code, broken.details], [["one", "two"], code, details]);

done("@grpc/grpc-js");
