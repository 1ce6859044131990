// The dialog that shows one call to one stack, down to the bytes.

import { curl, methodOf, onTheWire } from "/calls.js";

const $ = (id) => document.getElementById(id);

/** More of a text than anybody reads is left out. */
const shorten = (text) =>
  text.length > 2000 ? `${text.slice(0, 200)}\n… ${text.length - 200} more characters` : text;

/** Puts text into an element, with a place to break after each slash of a path: URIs are long. */
export function showText(element, text) {
  const pieces = text.split(/(?<=(?<![/:])[/&?])/);
  element.replaceChildren(...pieces.flatMap((piece) => [piece, document.createElement("wbr")]));
}

function said({ status, reason, headers, body, error }) {
  if (error) return error;
  return [`${status} ${reason}`, ...headers, "", body || "(no body)"].join("\n");
}

async function raw(stack, request) {
  const init = {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ stack, request }),
  };
  return (await fetch("/raw", init)).json();
}

async function fill(section, stack, request) {
  const show = (selector, text) => showText(section.querySelector(selector), shorten(text));
  show(".request", request.trimEnd());
  show(".head", "…");
  const { answer, closed } = await raw(stack, request);
  const [head, ...rest] = answer.split("\r\n\r\n");
  const nothing = closed ? "(the connection was closed without an answer)" : "(no answer within 5 s)";
  show(".head", head || nothing);
  show(".body", rest.join("\r\n\r\n") || (head ? "(no body)" : ""));
  section.querySelector(".body").hidden = !head;
}

/** Opens the dialog. It closes with Escape, and the focus goes back to the cell. */
export function openDetails(one, target, index, answer) {
  $("details-title").textContent = `${one.what} · ${target.name}`;
  showText($("said"), said(answer));
  showText($("curl"), curl(target, one));
  const sections = onTheWire(target, one).map(({ title, request }) => {
    const section = $("exchange").content.firstElementChild.cloneNode(true);
    section.querySelector("h3").textContent = title;
    fill(section, index, request);
    return section;
  });
  $("exchanges").replaceChildren(...sections);
  $("details").showModal();
  $("details").scrollTop = 0;
}

$("close").addEventListener("click", () => $("details").close());
// A click beside the dialog is one on its backdrop, which is the dialog itself.
$("details").addEventListener("click", (event) => {
  if (event.target === $("details")) $("details").close();
});

export const requestLine = (one) => `${methodOf(one)} ${one.path}`;
