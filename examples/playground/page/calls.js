// The calls, and how each is made: by fetch, as bytes on the wire, and with curl.

const json = (value) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(value),
});

const TOO_MUCH = "x".repeat(20000);

export const CASES = [
  { what: "All is well", path: "/ping" },
  { what: "A wrong parameter", path: "/server/mode", init: json({ mode: "something" }) },
  { what: "No credentials", path: "/recordings" },
  {
    what: "Not allowed to",
    path: "/recordings/call-secret",
    init: { headers: { Authorization: "Bearer agent" } },
  },
  { what: "No such recording", path: "/recordings/call-99" },
  { what: "No such path", path: "/recordings/call-01/notes" },
  { what: "A method nobody supports", path: "/ping", init: { method: "DELETE" } },
  {
    what: "Content that is no JSON",
    path: "/server/mode",
    init: { ...json(null), body: "{mode:" },
  },
  {
    what: "Too much content",
    path: "/recordings/call-01/labels",
    init: json(TOO_MUCH),
    curlBody: `"\\"$(printf %20000s | tr ' ' x)\\""`,
  },
  { what: "A panic", path: "/diagnostics/panic" },
  { what: "The media store is down", path: "/recordings/call-01/media" },
  { what: "Too slow", path: "/diagnostics/slow" },
  { what: "Overloaded", path: "/export" },
];

export const methodOf = ({ init }) => init?.method ?? "GET";

/**
 * How long the page waits for an answer, in milliseconds. Chromium sends a request again that was
 * answered with 408, once for each connection that it has kept: that takes a while.
 */
const PATIENCE = 5000;

/** Headers that a page may read only if the policy exposes them. */
const EXPOSED = ["Allow", "Retry-After", "WWW-Authenticate"];

const MEMBERS = ["http_method", "title", "description", "code", "uri"];

/** What the page can read of one answer; of an unreadable one, what fetch said. */
export async function call(target, { path, init }) {
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    const response = await fetch(target.url + path, { credentials: "include", signal, ...init });
    const body = await response.text();
    const headers = EXPOSED.filter((name) => response.headers.has(name));
    return {
      status: response.status,
      reason: response.statusText,
      body,
      headers: headers.map((name) => `${name}: ${response.headers.get(name)}`),
      shape: shapeOf(response, body),
    };
  } catch (error) {
    return { error: `${error.name}: ${error.message}`, late: error.name === "TimeoutError" };
  }
}

function shapeOf(response, body) {
  if (response.ok) return "kept";
  if (body === "") return "no body";
  try {
    const members = Object.keys(JSON.parse(body));
    return members.join() === MEMBERS.join() ? "kept" : "its own JSON";
  } catch {
    return "plain text";
  }
}

/** Whether a browser asks first, for a call of this kind. */
const asksFirst = ({ init }) => methodOf({ init }) === "DELETE" || init?.headers !== undefined;

/** What a browser sends, as bytes: a preflight if it asks first, and the call itself. */
export function onTheWire(target, one) {
  const { path, init } = one;
  const host = new URL(target.url).host;
  const lines = (method, headers) =>
    [`${method} ${path} HTTP/1.1`, `Host: ${host}`, `Origin: ${location.origin}`, ...headers, "Connection: close"];
  const text = (method, headers, body = "") => `${lines(method, headers).join("\r\n")}\r\n\r\n${body}`;
  const sent = Object.entries(init?.headers ?? {});
  const headers = sent.map(([name, value]) => `${name}: ${value}`);
  if (init?.body !== undefined) headers.push(`Content-Length: ${init.body.length}`);
  const exchanges = [{ title: "On the wire", request: text(methodOf(one), headers, init?.body) }];
  if (asksFirst(one)) {
    const names = sent.map(([name]) => name.toLowerCase()).join();
    const asked = [`Access-Control-Request-Method: ${methodOf(one)}`];
    if (names) asked.push(`Access-Control-Request-Headers: ${names}`);
    exchanges.unshift({ title: "On the wire: the browser asks first", request: text("OPTIONS", asked) });
  }
  return exchanges;
}

export function curl(target, one) {
  const { path, init, curlBody } = one;
  const words = ["curl -i"];
  if (methodOf(one) === "DELETE") words.push("-X DELETE");
  for (const [name, value] of [["Origin", location.origin], ...Object.entries(init?.headers ?? {})]) {
    words.push(`-H '${name}: ${value}'`);
  }
  if (init?.body !== undefined) words.push(`-d ${curlBody ?? `'${init.body}'`}`);
  return [...words, target.url + path].join(" ");
}
