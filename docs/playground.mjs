// Takes the README's picture of the playground; with a folder, all of its views for looking at.
//
//     node docs/playground.mjs            # docs/playground.png
//     node docs/playground.mjs FOLDER     # FOLDER/1280-light.png and others
//
// CHROMIUM names the browser. It is spoken to over a pipe: nothing has to be installed for it.

import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const folder = process.argv[2];

/** Starts the example on a free port; its origin. */
async function startPlayground() {
  const options = ["run", "--quiet", "--example", "playground", "--", "--listen", "127.0.0.1:0"];
  // Its panics are part of the show.
  const env = { ...process.env, RUST_BACKTRACE: "0" };
  const program = spawn("cargo", options, { cwd: root, env, stdio: ["ignore", "pipe", "ignore"] });
  let text = "";
  for await (const chunk of program.stdout) {
    text += chunk;
    const origin = text.match(/^open (.*)$/m)?.[1];
    if (origin) return { program, origin };
  }
  throw new Error("the playground did not start");
}

/** A browser, spoken to in the DevTools protocol: JSON messages that end with a zero byte. */
class Browser {
  #answers = new Map();
  #next = 1;

  constructor(profile) {
    const flags = [
      "--headless",
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
      "--hide-scrollbars",
      "--remote-debugging-pipe",
      `--user-data-dir=${profile}`,
    ];
    const stdio = ["ignore", "ignore", "ignore", "pipe", "pipe"];
    this.process = spawn(process.env.CHROMIUM ?? "chromium", flags, { stdio });
    let text = "";
    this.process.stdio[4].on("data", (chunk) => {
      const messages = (text + chunk).split("\0");
      text = messages.pop();
      for (const { id, result, error } of messages.map(JSON.parse)) {
        if (error) console.error(error);
        this.#answers.get(id)?.(result);
      }
    });
  }

  send(method, params = {}, sessionId = undefined) {
    const id = this.#next++;
    this.process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }

  async open() {
    const { targetId } = await this.send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await this.send("Target.attachToTarget", { targetId, flatten: true });
    return (method, params) => this.send(method, params, sessionId);
  }
}

async function evaluate(page, expression) {
  const { result } = await page("Runtime.evaluate", { expression, awaitPromise: true });
  return result.value;
}

/** Evaluates until it is true. */
async function until(page, expression) {
  for (let tries = 0; tries < 100; tries++) {
    if (await evaluate(page, expression)) return;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`never: ${expression}`);
}

async function visit(page, url, { width, dark }) {
  await page("Emulation.setEmulatedMedia", {
    features: [{ name: "prefers-color-scheme", value: dark ? "dark" : "light" }],
  });
  const metrics = { width, height: 800, deviceScaleFactor: 1, mobile: width < 500 };
  await page("Emulation.setDeviceMetricsOverride", metrics);
  await page("Page.navigate", { url });
  await until(page, "document.documentElement.dataset.ran === ''");
}

async function picture(page, file, { wholePage = true } = {}) {
  const options = { format: "png", captureBeyondViewport: wholePage };
  const { data } = await page("Page.captureScreenshot", options);
  await writeFile(file, Buffer.from(data, "base64"));
  console.log(file);
}

/** How far the page is wider than its window, in pixels. */
async function checkWidth(page) {
  const wide = await evaluate(page, "document.documentElement.scrollWidth - innerWidth");
  if (wide > 0) throw new Error(`the page is ${wide} px wider than its window`);
}

const KEYS = { Tab: { code: 9 }, Enter: { code: 13, text: "\r" }, Escape: { code: 27 } };

async function press(page, key, { shift = false } = {}) {
  const { code, text } = KEYS[key];
  const params = { key, code: key, windowsVirtualKeyCode: code, modifiers: shift ? 8 : 0 };
  await page("Input.dispatchKeyEvent", { type: text ? "keyDown" : "rawKeyDown", text, ...params });
  await page("Input.dispatchKeyEvent", { type: "keyUp", ...params });
}

/** The label of what has the focus. */
const FOCUSED = "(document.activeElement.ariaLabel ?? '')";

/** Goes to a cell with the keyboard alone, where the focus then can be seen. */
async function tabTo(page, label, { back = false } = {}) {
  await page("Page.bringToFront");
  for (let tabs = 0; tabs < 100; tabs++) {
    await press(page, "Tab", { shift: back });
    if (!(await evaluate(page, `${FOCUSED}.startsWith(${JSON.stringify(label)})`))) continue;
    const seen = `(() => {
      const style = getComputedStyle(document.activeElement);
      const { top, bottom } = document.activeElement.getBoundingClientRect();
      const head = document.querySelector("thead th").getBoundingClientRect().bottom;
      return style.outlineStyle === "solid" && top - 5 >= head && bottom + 5 <= innerHeight;
    })()`;
    if (await evaluate(page, seen)) return;
    throw new Error(`${label} has the focus, and nobody sees it`);
  }
  throw new Error(`the keyboard never comes to ${label}`);
}

async function everyView(page, origin) {
  for (const width of [1280, 390]) {
    for (const dark of [false, true]) {
      const name = join(folder, `${width}-${dark ? "dark" : "light"}`);
      await visit(page, origin, { width, dark });
      await checkWidth(page);
      await picture(page, `${name}.png`);
      await tabTo(page, "A method nobody supports, contract");
      await picture(page, `${name}-focus.png`, { wholePage: false });
      // Backwards too, where the head of the table stays in view.
      await tabTo(page, "Overloaded, contract");
      await tabTo(page, "A method nobody supports, contract", { back: true });
      await press(page, "Enter");
      await until(page, "document.getElementById('details').open");
      await until(page, "![...document.querySelectorAll('.head')].some((head) => head.textContent === '…')");
      await picture(page, `${name}-details.png`, { wholePage: false });
      await press(page, "Escape");
      await until(page, "!document.getElementById('details').open");
      await until(page, `${FOCUSED}.startsWith("A method nobody supports, contract")`);
    }
  }
  await visit(page, origin.replace("localhost", "127.0.0.1"), { width: 1280, dark: false });
  await picture(page, join(folder, "1280-foreign.png"));
}

const { program, origin } = await startPlayground();
const profile = await mkdtemp(join(tmpdir(), "playground-"));
const browser = new Browser(profile);
try {
  const page = await browser.open();
  if (folder) {
    await everyView(page, origin);
  } else {
    await visit(page, origin, { width: 1280, dark: false });
    await picture(page, join(root, "docs/playground.png"));
  }
} finally {
  browser.process.kill();
  program.kill("SIGTERM");
  await rm(profile, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
}
