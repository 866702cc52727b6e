// Opens the page for each user of the arguments, and answers each line on standard
// input: "values" with what each page has shown so far, "shot FILE" with a
// screenshot of the first.
import readline from "node:readline";
import { chromium } from "playwright-core";

const [browserPath, url, ...users] = process.argv.slice(2);
const browser = await chromium.launch({
  executablePath: browserPath, headless: true,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const errors = [];
const pages = {};
for (const user of users) {
  const page = await (await browser.newContext()).newPage();
  page.on("pageerror", (e) => { errors.push(`${user}: ${e}`); console.error(`${user}: ${e}`); });
  page.on("requestfailed", (r) => console.error(`${user}: ${r.url()}: ${r.failure().errorText}`));
  page.on("response", (r) => { if (r.status() >= 400) console.error(`${user}: ${r.status()} ${r.url()}`); });
  await page.goto(`${url}?user=${user}`);
  await page.waitForFunction(() => window.values?.length > 0, null, { timeout: 60_000 });
  pages[user] = page;
}
console.log("ready");
for await (const line of readline.createInterface({ input: process.stdin })) {
  const [what, file] = line.split(" ");
  if (what === "shot") await pages[users[0]].screenshot({ path: file });
  const values = {};
  for (const [user, page] of Object.entries(pages)) values[user] = await page.evaluate(() => window.values);
  console.log(JSON.stringify({ values, errors }));
}
await browser.close();
