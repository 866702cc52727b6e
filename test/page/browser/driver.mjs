// Drives one Chromium for a test in Go: a line of JSON on standard input is a call,
// a line on standard output its answer. It ends with its standard input.
import readline from "node:readline";
import { chromium } from "playwright-core";

const patience = Number(process.env.PATIENCE ?? 120_000); // ms; a busy machine is slow, and nothing here is about time
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"],
  timeout: patience,
});
const people = new Map(); // name → browser context: cookies, storage and locks of its own
const tabs = new Map(); // name → page

async function open(name, { person = "", script = "" } = {}) {
  if (!people.has(person)) {
    const context = await browser.newContext({ viewport: { width: 720, height: 480 } });
    context.setDefaultTimeout(patience);
    people.set(person, context);
  }
  const page = await people.get(person).newPage();
  page.trouble = [];
  page.on("pageerror", (e) => page.trouble.push(String(e)));
  page.on("console", (m) => m.type() === "error" && page.trouble.push(m.text()));
  if (script) await page.addInitScript(script);
  tabs.set(name, page);
}

// until waits for an expression to be true, whatever page is loaded meanwhile. Playwright's
// own waitForFunction needs eval, which a site's policy may forbid.
async function until(name, expression) {
  for (const end = Date.now() + patience; ; await new Promise((go) => setTimeout(go, 25))) {
    let got;
    try {
      if (await soon(tabs.get(name).evaluate(`Promise.resolve(${expression}).then(Boolean)`))) return;
    } catch (e) {
      got = e; // between two pages
    }
    if (Date.now() > end) throw got ?? new Error(`not true for two minutes: ${expression}`);
  }
}

// soon gives up what a page may never answer that is replaced while it is asked.
async function soon(answer) {
  let timer;
  const late = new Promise((_, no) => (timer = setTimeout(no, 10_000, new Error("no answer"))));
  try {
    return await Promise.race([answer, late]);
  } finally {
    clearTimeout(timer);
  }
}

const calls = {
  open,
  until,
  trouble: (name) => tabs.get(name).trouble.splice(0),
  async forget(person) {
    await people.get(person)?.close();
    people.delete(person);
  },
};

async function answer({ id, tab, call, args }) {
  try {
    const page = tabs.get(tab);
    let result = await (calls[call] ? calls[call](tab, ...args) : page[call](...args));
    if (call === "screenshot" || call === "goto" || call === "reload") result = null; // no JSON
    return { id, result: result ?? null };
  } catch (e) {
    return { id, error: String(e) };
  }
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  answer(JSON.parse(line)).then((a) => console.log(JSON.stringify(a)));
}
await browser.close();
