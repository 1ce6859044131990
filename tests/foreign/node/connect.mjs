// @connectrpc/connect-node, in each of its three protocols: every failure, and healthy calls.

import { readFileSync } from "node:fs";
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { ConnectError, createClient } from "@connectrpc/connect";
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from "@connectrpc/connect-node";
import { BARE, CONTRACT, EXPECTED, MADE, done, equal } from "./check.mjs";

const descriptors = fromBinary(FileDescriptorSetSchema, readFileSync(`${MADE}/recordings.bin`));
const registry = createFileRegistry(descriptors);
const Recordings = registry.getService("recordings.v1.Recordings");
const Diagnostics = registry.getService("recordings.v1.Diagnostics");

async function outcome(call) {
  try {
    return await call();
  } catch (thrown) {
    const error = ConnectError.from(thrown);
    return [error.code, error.rawMessage];
  }
}

async function streamed(messages) {
  const found = [];
  const end = await outcome(async () => {
    for await (const message of messages) found.push(message);
    return "end";
  });
  return [found, end];
}

async function failures(protocol, transport) {
  const diagnostics = createClient(Diagnostics, transport(CONTRACT));
  const elsewhere = createClient(Recordings, transport(`${CONTRACT}/nowhere`));
  for (const [name, expected] of Object.entries(EXPECTED)) {
    const method = name[0].toLowerCase() + name.slice(1);
    if (name === "PanicInStream") {
      const [messages, end] = await streamed(diagnostics.panicInStream({}));
      const texts = messages.map(({ data }) => Buffer.from(data).toString());
      equal(`${protocol}: ${name}`, [texts, end], [["one", "two"], expected]);
    } else {
      const call = name === "nowhere" ? () => elsewhere.search({}) : () => diagnostics[method]({});
      equal(`${protocol}: ${name}`, await outcome(call), expected);
    }
  }
}

async function healthy(transport, url) {
  const recordings = createClient(Recordings, transport(url));
  const diagnostics = createClient(Diagnostics, transport(url));
  return [
    await outcome(() => recordings.search({ text: "331" })),
    await streamed(recordings.play({ id: "call-01" })),
    await streamed(recordings.play({ id: "call-99" })),
    await outcome(() => diagnostics.echo({ data: new Uint8Array(1_000_000).fill(7) })),
    await outcome(() => diagnostics.echo({})),
    await outcome(() => diagnostics.ownStatus({})),
  ];
}

const grpc = (url) => createGrpcTransport({ baseUrl: url });
const web = (httpVersion) => (url) => createGrpcWebTransport({ baseUrl: url, httpVersion });
const connect = (options) => (url) =>
  createConnectTransport({ baseUrl: url.replace(/$/, "/connect"), useBinaryFormat: false, ...options });

for (const [protocol, transport] of [
  ["gRPC", grpc],
  ["gRPC-Web over HTTP/1.1", web("1.1")],
  ["gRPC-Web over HTTP/2", web("2")],
]) {
  await failures(protocol, transport);
  const bare = await healthy(transport, BARE);
  const [found, [pieces, end], [none, missing], echo, , own] = bare;
  equal(`${protocol}: messages`, [found.recordings.length, pieces.length, none.length], [3, 16, 0]);
  equal(`${protocol}: outcomes`, [end, missing[0], own[0]], ["end", 5, 9]);
  equal(`${protocol}: a large message`, echo.data.length, 1_000_000);
  equal(`${protocol}: healthy`, await healthy(transport, CONTRACT), bare);
}
for (const [protocol, transport] of [
  ["Connect over HTTP/1.1", connect({ httpVersion: "1.1" })],
  ["Connect over HTTP/2", connect({ httpVersion: "2" })],
  ["Connect with GET", connect({ httpVersion: "2", useHttpGet: true })],
]) {
  await failures(protocol, transport);
  const calls = async (url) => {
    const client = createClient(Diagnostics, transport(url));
    return [
      await outcome(() => client.echo({ data: new Uint8Array(1000).fill(7) })),
      await outcome(() => client.ownStatus({})),
    ];
  };
  const bare = await calls(BARE);
  equal(`${protocol}: outcomes`, [bare[0].data.length, bare[1][0]], [1000, 9]);
  equal(`${protocol}: healthy`, await calls(CONTRACT), bare);
}

done("@connectrpc/connect-node");
