"use strict";
// The page of start-api: it sends each scan to POST /recognize of the relay that
// served it, and shows the scan beside its answers. Whatever comes back is put
// into the page as text, never as markup.

const find = (id) => document.getElementById(id);
const sample = document.body.dataset.sample === "true";
const keyed = document.body.dataset.keyed === "true";
const bucket = document.body.dataset.bucket === "true";
const inCall = 4400000; // bytes of a scan and its pattern that a call takes
const atOnce = 2;
let shown = []; // URLs of pictures, to be let go of

const element = (name, text, parent) => {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (parent) parent.append(made);
  return made;
};

// Files that are dropped go where they belong: a pattern by its name.
const drop = find("drop");
const isPattern = (file) => file.name.toLowerCase().endsWith(".omr");
const give = (input, files) => {
  if (!files.length) return;
  const list = new DataTransfer();
  for (const file of files) list.items.add(file);
  input.files = list.files;
};
for (const type of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    event.preventDefault();
    drop.classList.toggle("over", type === "dragover");
    if (type !== "drop") return;
    const files = [...event.dataTransfer.files];
    give(find("scans"), files.filter((file) => !isPattern(file)));
    give(find("pattern"), files.filter(isPattern).slice(0, 1));
    tellCurl();
  });
}

// The lines for what is chosen: one for each scan, since a call takes 6 MB. One call
// splits no pages and takes nothing large, but the command does.
const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
function tellCurl() {
  const scans = [...find("scans").files], pattern = find("pattern").files[0];
  find("curl").hidden = !scans.length || !pattern;
  if (find("curl").hidden) return;
  const curl = (scan) => ["curl", ...(keyed ? ['-H "Authorization: Bearer $KEY"'] : []), "-F " + quoted("image=@" + scan.name),
    "-F " + quoted("pattern=@" + pattern.name), new URL("recognize", location.href).href];
  const command = (scan) => ["go run ./cmd/local recognize", quoted(scan.name), "--pattern " + quoted(pattern.name),
    "--url " + location.origin, ...(keyed ? ['--key "$KEY"'] : [])];
  find("line").textContent = scans.map((scan) => (hasPages(scan) || isLarge(scan, pattern) ? command : curl)(scan).join(" ")).join("\n");
}
find("form").addEventListener("change", tellCurl);

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const authorized = () => (keyed ? { Authorization: "Bearer " + find("key").value.trim() } : {});

// said is what an answer says has gone wrong, for a person to read.
function said(answer, text) {
  if (keyed && (answer.status === 401 || answer.status === 403)) return new Error("The key is not one of this relay's.");
  let problem = {};
  try { problem = JSON.parse(text); } catch { /* the status says enough */ }
  return new Error([problem.detail || problem.title || problem.message || "The relay answers " + answer.status + ".", ...(problem.messages || [])].join(" "));
}

const hasPages = (scan) => /pdf|tiff/.test(scan.type) || /\.(pdf|tiff?)$/i.test(scan.name);

// split returns the pages of a PDF or TIFF as files; other files as they are.
async function split(scan) {
  if (!hasPages(scan)) return [scan];
  const answer = await fetch("page/split", { method: "POST", body: scan, headers: authorized() });
  const text = await answer.text();
  if (!answer.ok) throw said(answer, text);
  const { pages } = JSON.parse(text);
  if (pages.length === 1) return [scan];
  return pages.map((page, i) => new File([Uint8Array.from(atob(page), (c) => c.charCodeAt(0))], scan.name + "#" + (i + 1), { type: scan.type }));
}

const isLarge = (scan, pattern) => scan.size + pattern.size > inCall;

// upload sends a scan to the bucket, by a form of the relay's, and returns its id.
async function upload(scan) {
  const answer = await fetch("uploads", { method: "POST", headers: authorized() });
  const text = await answer.text();
  if (!answer.ok) throw said(answer, text);
  const form = JSON.parse(text), body = new FormData();
  for (const [name, value] of Object.entries(form.fields)) body.append(name, value);
  body.append("file", scan);
  const sent = await fetch(form.url, { method: "POST", body }).catch(() => { throw new Error("The bucket cannot be reached."); });
  if (sent.ok) return form.upload;
  const tooLarge = (await sent.text()).includes("<Code>EntityTooLarge</Code>");
  throw new Error(tooLarge ? "The scan is larger than the bucket takes." : "The bucket answers " + sent.status + ".");
}

// recognize returns the upstream's CSV, or throws what a person can read.
async function recognize(scan, pattern) {
  const body = new FormData();
  if (bucket && isLarge(scan, pattern)) body.append("upload", await upload(scan));
  else body.append("image", scan);
  body.append("pattern", pattern);
  body.append("format", "CSV");
  let answer = await fetch("recognize", { method: "POST", body, headers: authorized() });
  while (answer.status === 202) {
    const later = new URL(answer.headers.get("Location"), answer.url);
    await pause(Number(answer.headers.get("Retry-After")) || 2);
    answer = await fetch(later, { headers: authorized() });
  }
  const text = await answer.text();
  if (answer.ok) return text;
  throw said(answer, text);
}

// rows reads CSV (RFC 4180).
function rows(text) {
  const all = [];
  let row = [], cell = "", inside = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (inside && c === '"' && text[i + 1] === '"') { cell += c; i++; }
    else if (c === '"') inside = !inside;
    else if (!inside && c === ",") { row.push(cell); cell = ""; }
    else if (!inside && (c === "\n" || c === "\r")) {
      if (cell !== "" || row.length) all.push([...row, cell]);
      row = []; cell = "";
    } else cell += c;
  }
  if (cell !== "" || row.length) all.push([...row, cell]);
  return all;
}

function card(scan) {
  const article = element("article");
  element("h3", scan.name, article);
  if (/^image\/(jpeg|png|gif|bmp|webp)$/.test(scan.type)) {
    const picture = element("img", undefined, article);
    picture.alt = "The scan " + scan.name;
    picture.src = URL.createObjectURL(scan);
    shown.push(picture.src);
  }
  return article;
}

function showAnswers(article, scan, text) {
  const table = element("table", undefined, article);
  element("caption", (sample ? "Sample answers for " : "Answers on ") + scan.name, table);
  const head = element("tr", undefined, element("thead", undefined, table));
  for (const title of ["Element", "Answer"]) element("th", title, head).scope = "col";
  const body = element("tbody", undefined, table);
  const list = rows(text.replace(/^\ufeff/, ""));
  if (list.length && list[0][0].trim().toLowerCase() === "element name") list.shift();
  for (const [name, value] of list) {
    const row = element("tr", undefined, body);
    element("th", name, row).scope = "row";
    element("td", value || "", row);
  }
}

const why = (error) => (error instanceof TypeError ? "The relay cannot be reached." : error.message);

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const scans = [...find("scans").files], pattern = find("pattern").files[0];
  const button = document.querySelector("button"), progress = find("progress"), status = find("status");
  shown.forEach(URL.revokeObjectURL);
  shown = [];
  find("answers").replaceChildren();
  find("none").hidden = true;
  button.disabled = true;
  let done = 0, failed = 0, next = 0;
  const sheets = [];
  const tell = () => {
    Object.assign(progress, { hidden: false, max: sheets.length, value: done });
    status.textContent = `${done} of ${sheets.length} done` + (failed ? `, ${failed} failed` : "");
  };
  const fail = (sheet, error) => {
    failed++;
    element("p", why(error), sheet.card).className = "bad";
  };
  const add = (file) => {
    const sheet = { file, card: card(file) };
    sheets.push(sheet);
    find("answers").append(sheet.card);
    return sheet;
  };
  status.textContent = "Reading the files";
  for (const scan of scans) {
    try {
      for (const file of await split(scan)) add(file);
    } catch (error) {
      const sheet = add(scan);
      fail(sheet, error);
      done++;
      sheet.over = true;
    }
  }
  tell();
  const work = async () => {
    while (next < sheets.length) {
      const sheet = sheets[next++];
      if (sheet.over) continue;
      try {
        showAnswers(sheet.card, sheet.file, await recognize(sheet.file, pattern));
      } catch (error) {
        fail(sheet, error);
      }
      done++;
      tell();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, work));
  button.disabled = false;
});
