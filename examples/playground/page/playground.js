// Makes each call to each stack and shows, cell by cell, what a script may read of the answer.

import { CASES, call } from "/calls.js";
import { openDetails, requestLine, showText } from "/details.js";

const $ = (id) => document.getElementById(id);
const isForeign = location.hostname !== "localhost";

function element(name, parent, className = "") {
  const made = document.createElement(name);
  if (className) made.className = className;
  parent.append(made);
  return made;
}

/** What a cell shows of an answer: its state, a word, and what is to be said of it. */
function verdict({ status, shape, late, error }) {
  if (!error) return { state: shape === "kept" ? "kept" : "other", word: status, note: shape === "kept" ? "" : shape };
  if (late) return { state: "lost", word: "none", note: "no answer in 5 s" };
  if (isForeign) return { state: "out", word: "kept out", note: "" };
  return { state: "lost", word: "lost", note: "network error" };
}

class Cell {
  constructor(row, one, target, index) {
    this.call = { one, target, index };
    this.button = element("button", element("td", row));
    this.button.type = "button";
    this.mark = element("span", this.button, "mark");
    this.word = element("span", this.button, "word");
    this.note = element("span", this.button, "note");
    this.button.addEventListener("click", () => {
      if (this.answer) openDetails(one, target, index, this.answer);
    });
  }

  async run() {
    const { one, target } = this.call;
    this.#show({ state: "waiting", word: "…", note: "" });
    this.answer = undefined;
    this.answer = await call(target, one);
    this.#show(verdict(this.answer));
  }

  #show({ state, word, note }) {
    const { one, target } = this.call;
    this.state = state;
    this.mark.dataset.state = state;
    this.button.dataset.state = state;
    this.word.textContent = word;
    this.note.textContent = note;
    this.button.setAttribute("aria-label", `${one.what}, ${target.name}: ${word} ${note}`);
  }
}

class Matrix {
  constructor(targets) {
    this.columns = targets.map((target) => this.#addStack(target));
    this.cells = CASES.flatMap((one) => this.#addCase(one, targets));
  }

  #addStack(target) {
    const head = element("th", $("stacks"));
    head.scope = "col";
    element("span", head, "name").textContent = target.name;
    const score = element("span", head, "score");
    const about = element("div", $("abouts"));
    element("dt", about).textContent = target.name;
    const text = element("dd", about);
    element("span", text).textContent = target.about;
    showText(element("code", text), target.url);
    return { target, score };
  }

  #addCase(one, targets) {
    const row = element("tr", $("cases"));
    const head = element("th", row);
    head.scope = "row";
    element("span", head, "what").textContent = one.what;
    showText(element("code", head), requestLine(one));
    return targets.map((target, index) => new Cell(row, one, target, index));
  }

  async run() {
    $("run-all").disabled = true;
    await Promise.all(this.cells.map((cell) => cell.run()));
    this.#showScores();
    $("run-all").disabled = false;
  }

  #showScores() {
    const scores = this.columns.map(({ target, score }) => {
      const states = this.cells.filter((cell) => cell.call.target === target).map((cell) => cell.state);
      const count = states.filter((state) => state === "kept").length;
      const isOut = states.includes("out");
      score.textContent = isOut ? "kept out" : `${count} of ${states.length}`;
      if (isOut) return `${target.name}: kept out.`;
      return `${target.name}: ${count} of ${states.length} calls keep the contract.`;
    });
    $("announce").textContent = scores.join(" ");
  }
}

/** The same page under another name of the same machine is a foreign page. */
function offerStranger() {
  const url = new URL(location);
  url.hostname = isForeign ? "localhost" : "127.0.0.1";
  $("stranger").href = url;
  $("stranger").textContent = isForeign ? "Open the configured front end" : "Open this page as a foreign one";
  $("stranger").hidden = false;
  $("foreign").hidden = !isForeign;
  $("legend-out").hidden = !isForeign;
}

showText($("origin"), location.origin);
offerStranger();
const targets = await (await fetch("/targets.json")).json();
const matrix = new Matrix(targets);
$("run-all").addEventListener("click", () => matrix.run());
await matrix.run();
document.documentElement.dataset.ran = "";
