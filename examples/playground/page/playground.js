// Makes each call to each stack and shows what a script may read of the answer.

const json = (value) => ({
  method: "POST",
  headers: { "Content-Type": "application/json" },
  body: JSON.stringify(value),
});

const CASES = [
  { status: 200, what: "All is well", path: "/ping" },
  { status: 400, what: "A wrong parameter", path: "/server/mode", init: json({ mode: "something" }) },
  { status: 401, what: "No credentials", path: "/recordings" },
  {
    status: 403,
    what: "Not allowed to",
    path: "/recordings/call-secret",
    init: { headers: { Authorization: "Bearer agent" } },
  },
  { status: 404, what: "No such recording", path: "/recordings/call-99" },
  { status: 405, what: "A method nobody supports", path: "/ping", init: { method: "DELETE" } },
  { status: 413, what: "Too much content", path: "/recordings/call-01/labels", init: json("x".repeat(20000)) },
  { status: 500, what: "A panic", path: "/diagnostics/panic" },
  { status: 502, what: "The media store is down", path: "/recordings/call-01/media" },
  { status: 503, what: "Too slow", path: "/diagnostics/slow" },
  { status: 503, what: "Overloaded", path: "/export" },
];

/** Headers that a page may read only if the policy exposes them. */
const EXPOSED = ["Allow", "Retry-After", "WWW-Authenticate"];

const $ = (id) => document.getElementById(id);
const fromTemplate = (id) => $(id).content.firstElementChild.cloneNode(true);
const setText = (root, selector, text) => {
  root.querySelector(selector).textContent = text;
};

/** What the page can read of one answer, or null. */
async function call(target, { path, init }) {
  try {
    const response = await fetch(target.url + path, { credentials: "include", ...init });
    const text = await response.text();
    const headers = EXPOSED.filter((name) => response.headers.has(name));
    return {
      status: response.status,
      reason: response.statusText,
      body: text ? JSON.parse(text) : null,
      headers: headers.map((name) => [name, response.headers.get(name)]),
    };
  } catch {
    return null;
  }
}

function showAnswer(element, answer) {
  const list = element.querySelector("dl");
  list.replaceChildren();
  element.dataset.state = answer ? "readable" : "unreadable";
  if (!answer) {
    setText(element, ".state", "Unreadable: “Failed to fetch”");
    return;
  }
  setText(element, ".state", `${answer.status} ${answer.reason}`);
  const { title, description, code, uri } = answer.body ?? {};
  const told = { title, description, code, uri };
  const isError = answer.status >= 400;
  const rows = isError ? Object.entries(told) : [["body", JSON.stringify(answer.body)]];
  for (const [name, value] of [...rows, ...answer.headers]) {
    const row = document.createElement("div");
    const term = document.createElement("dt");
    const text = document.createElement("dd");
    term.textContent = name;
    text.textContent = value;
    row.append(term, text);
    list.append(row);
  }
}

class Playground {
  constructor(targets) {
    this.targets = targets;
    this.stacks = targets.map((target) => this.#addStack(target));
    this.rows = CASES.map((one) => this.#addCase(one));
  }

  #addStack(target) {
    const element = fromTemplate("stack");
    setText(element, "h2", target.name);
    setText(element, ".about", target.about);
    setText(element, "code", target.url);
    $("stacks").append(element);
    return element;
  }

  #addCase(one) {
    const element = fromTemplate("case");
    setText(element, ".code", one.status);
    setText(element, ".what", one.what);
    setText(element, ".request code", `${one.init?.method ?? "GET"} ${one.path}`);
    const answers = this.targets.map((target) => {
      const answer = fromTemplate("answer");
      setText(answer, "h3", target.name);
      element.querySelector(".answers").append(answer);
      return answer;
    });
    const row = { one, answers };
    const button = element.querySelector(".again");
    button.setAttribute("aria-label", `Run “${one.what}” again`);
    button.addEventListener("click", () => this.run([row]));
    $("cases").append(element);
    return row;
  }

  async run(rows = this.rows) {
    $("run-all").disabled = true;
    const calls = rows.flatMap(({ one, answers }) =>
      this.targets.map(async (target, n) => {
        answers[n].dataset.state = "waiting";
        showAnswer(answers[n], await call(target, one));
      }),
    );
    await Promise.all(calls);
    this.#showScores();
    $("run-all").disabled = false;
  }

  #showScores() {
    const scores = this.targets.map((target, n) => {
      const count = this.rows.filter(({ answers }) => answers[n].dataset.state === "readable").length;
      const score = `${count} of ${this.rows.length} readable`;
      this.stacks[n].dataset.full = count === this.rows.length;
      setText(this.stacks[n], "strong", score);
      return `${target.name}: ${score}.`;
    });
    setText(document, "#announce", scores.join(" "));
  }
}

/** The same page under another name of the same machine is a foreign page. */
function offerStranger() {
  const url = new URL(location);
  const isHome = url.hostname === "localhost";
  url.hostname = isHome ? "127.0.0.1" : "localhost";
  $("stranger").href = url;
  $("stranger").textContent = isHome
    ? "Open this page as a stranger"
    : "You are a stranger here: open the configured front end";
  $("stranger").hidden = false;
}

setText(document, "#origin", location.origin);
offerStranger();
const targets = await (await fetch("/targets.json")).json();
const playground = new Playground(targets);
$("run-all").addEventListener("click", () => playground.run());
await playground.run();
document.documentElement.dataset.ran = "";
