// usage: page.cjs open|keyed URL FOLDER [SCREENSHOT]
// Uses the page by the keyboard and by dropping files; FOLDER is for scratch.
const assert = require("node:assert/strict");
const fs = require("node:fs");
const path = require("node:path");
const puppeteer = require("puppeteer-core");

const [, , kind, url, folder, screenshot] = process.argv;
const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const form = path.resolve("events/sample/answer-sheet.png");
const pattern = path.resolve("events/sample/form.omr");

async function accessible(page, when) {
  // Not into the page, whose policy takes no script but its own.
  await page.evaluate(axe + ";0");
  const { violations, incomplete } = await page.evaluate(() => window.axe.run(document, { resultTypes: ["violations", "incomplete"] }));
  const told = (list) => list.map((v) => `${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`);
  assert.deepEqual(told(violations), [], `axe, ${when}`);
  assert.deepEqual(told(incomplete), [], `axe is not sure, ${when}`);
}

const settled = (page, text) => page.waitForFunction((want) => document.getElementById("status").textContent === want, { timeout: 30000 }, text);

async function main() {
  const browser = await puppeteer.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-quic", "--no-first-run"], headless: true });
  const page = await browser.newPage();
  await page.setViewport({ width: 1000, height: 900 });
  const faults = [], requested = new Set();
  page.on("console", (message) => ["error", "warn"].includes(message.type()) && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("request", (request) => requested.add(new URL(request.url()).origin));

  const answer = await page.goto(url);
  assert.equal(answer.status(), 200);
  assert.match(answer.headers()["content-security-policy"], /^default-src 'none'; script-src 'self';/);
  await accessible(page, "before anything is done");

  // By the keyboard alone: everything is reached, in the order in which it stands.
  const order = kind === "keyed" ? ["scans", "pattern", "key", "Recognize"] : ["scans", "pattern", "Recognize"];
  for (const name of order) {
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement.id || document.activeElement.textContent), name);
  }
  assert.equal(await page.$eval("body", (b) => /Samples:.*invented/s.test(b.textContent)), true, "samples are marked");

  // One that is no scan, and one whose name is markup.
  const strange = path.join(folder, "<img src=x onerror=alert(1)>.png");
  fs.copyFileSync(form, strange);
  const broken = path.join(folder, "broken.jpg");
  fs.writeFileSync(broken, "no picture");
  // And one that is too large for a call; what follows a picture is nobody's.
  const large = path.join(folder, "large.png");
  fs.writeFileSync(large, Buffer.concat([fs.readFileSync(form), Buffer.alloc(12e6)]));
  const scans = await page.$("#scans");
  await scans.uploadFile(form, strange, broken, path.resolve("internal/scans/testdata/grey.pdf"), large);
  await (await page.$("#pattern")).uploadFile(pattern);
  const lines = (await page.$eval("#line", (code) => code.textContent)).split("\n");
  assert.equal(lines.length, 5, "a line for each scan");
  assert.ok(lines[0].startsWith("curl ") && lines[0].endsWith(`-F 'image=@answer-sheet.png' -F 'pattern=@form.omr' ${url}/recognize`), lines[0]);
  assert.equal(lines[0].includes('"Authorization: Bearer $KEY"'), kind === "keyed");
  assert.ok(lines[3].startsWith(`go run ./cmd/local recognize 'grey.pdf' --pattern 'form.omr' --url ${url}`), lines[3]);
  assert.equal(lines[3].includes('--key "$KEY"'), kind === "keyed");
  assert.ok(lines[4].startsWith(`go run ./cmd/local recognize 'large.png' --pattern 'form.omr' --url ${url}`), lines[4]);
  if (kind === "keyed") {
    await page.type("#key", "a-wrong-key-0123456789");
    await page.keyboard.press("Enter");
    await settled(page, "5 of 5 done, 5 failed");
    assert.match(await page.$eval("article .bad", (p) => p.textContent), /key is not one/);
    await page.$eval("#key", (input) => { input.value = ""; });
    await page.type("#key", "0123456789abcdefghij");
    faults.length = 0; // the browser tells of each 403
  }
  await page.focus("button");
  await page.keyboard.press("Enter");
  await settled(page, "7 of 7 done, 1 failed");

  const cards = await page.$$eval("article", (all) => all.map((card) => ({
    title: card.querySelector("h3").textContent,
    alt: card.querySelector("img")?.alt,
    drawn: card.querySelector("img")?.naturalWidth > 0,
    caption: card.querySelector("caption")?.textContent,
    rows: [...card.querySelectorAll("tbody tr")].map((row) => row.textContent),
    bad: card.querySelector(".bad")?.textContent,
  })));
  assert.deepEqual(cards.slice(3, 6).map((card) => card.title), ["grey.pdf#1", "grey.pdf#2", "grey.pdf#3"], "a page each");
  assert.ok(cards.slice(3).every((card) => card.rows.length === 4));
  assert.equal(cards[6].title, "large.png");
  const bucket = /connect-src 'self' (http:\S+);/.exec(answer.headers()["content-security-policy"])[1];
  assert.ok(requested.has(bucket), "the large scan went to the bucket");
  for (const card of [cards[0], cards[1], cards[6]]) {
    assert.equal(card.alt, "The scan " + card.title);
    assert.equal(card.drawn, true, "the picture is shown");
    assert.equal(card.caption, "Sample answers for " + card.title);
    assert.deepEqual(card.rows.slice(-3), ["Question1A", "Question2C", "Question3B"]);
    assert.ok(card.rows[0].includes("nothing was recognized"));
  }
  assert.equal(cards[1].title, path.basename(strange));
  assert.ok(cards[2].bad && cards[2].rows.length === 0, "what failed says why");
  console.log(`  ${kind}: a file that is no scan: ${cards[2].bad}`);
  await accessible(page, "with answers");
  await page.emulateMediaFeatures([{ name: "prefers-color-scheme", value: "dark" }]);
  await accessible(page, "in the dark");
  await page.emulateMediaFeatures([]);
  await page.setViewport({ width: 320, height: 700 });
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= 320), "a narrow screen does not scroll sideways");
  await accessible(page, "on a narrow screen");
  await page.setViewport({ width: 1000, height: 900 });

  // Dropped files go where they belong.
  await page.evaluate(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["{}"], "other.omr"));
    transfer.items.add(new File(["x"], "dropped.png", { type: "image/png" }));
    document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, cancelable: true }));
  });
  assert.deepEqual(await page.evaluate(() => ["scans", "pattern"].map((id) => document.getElementById(id).files[0].name)), ["dropped.png", "other.omr"]);

  faults.splice(0, faults.length, ...faults.filter((text) => !/status of 4\d\d/.test(text))); // the scan that is none
  assert.deepEqual(faults, [], "nothing went wrong in the browser");
  assert.deepEqual([...requested].filter((origin) => ![new URL(url).origin, bucket, "null"].includes(origin)), [], "nothing was asked of others");

  if (screenshot && kind === "open") {
    await page.goto(url);
    await (await page.$("#scans")).uploadFile(form);
    await (await page.$("#pattern")).uploadFile(pattern);
    await page.click("button");
    await settled(page, "1 of 1 done");
    await page.screenshot({ path: screenshot, fullPage: true });
  }
  await browser.close();
}
main().catch((error) => {
  console.error(error.message || error);
  process.exit(1);
});
