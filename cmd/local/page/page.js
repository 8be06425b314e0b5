"use strict";
// The page of start-api: it sends each scan to POST /recognize of the relay that
// served it, and shows the scan beside its answers. Whatever comes back is put
// into the page as text, never as markup.

const find = (id) => document.getElementById(id);
const sample = document.body.dataset.sample === "true";
const keyed = document.body.dataset.keyed === "true";
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

// The curl line for what is chosen.
const quoted = (text) => "'" + text.replaceAll("'", "'\\''") + "'";
function tellCurl() {
  const scans = [...find("scans").files], pattern = find("pattern").files[0];
  find("curl").hidden = !scans.length || !pattern;
  if (find("curl").hidden) return;
  const parts = ["curl"];
  if (keyed) parts.push('-H "Authorization: Bearer $KEY"');
  for (const scan of scans) parts.push("-F " + quoted("image=@" + scan.name));
  parts.push("-F " + quoted("pattern=@" + pattern.name), new URL("recognize", location.href).href);
  find("line").textContent = parts.join(" ");
}
find("form").addEventListener("change", tellCurl);

const pause = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const authorized = () => (keyed ? { Authorization: "Bearer " + find("key").value.trim() } : {});

// recognize returns the upstream's CSV, or throws what a person can read.
async function recognize(scan, pattern) {
  const body = new FormData();
  body.append("image", scan);
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
  let said = {};
  try { said = JSON.parse(text); } catch { /* the status says enough */ }
  throw new Error([said.detail || said.title || said.message || "The relay answers " + answer.status + ".", ...(said.messages || [])].join(" "));
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

find("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const scans = [...find("scans").files], pattern = find("pattern").files[0];
  const button = document.querySelector("button"), progress = find("progress"), status = find("status");
  shown.forEach(URL.revokeObjectURL);
  shown = [];
  find("answers").replaceChildren();
  find("none").hidden = true;
  Object.assign(progress, { hidden: false, max: scans.length, value: 0 });
  button.disabled = true;
  let done = 0, failed = 0, next = 0;
  const tell = () => {
    progress.value = done;
    status.textContent = `${done} of ${scans.length} done` + (failed ? `, ${failed} failed` : "");
  };
  const cards = scans.map(card);
  find("answers").append(...cards);
  tell();
  const work = async () => {
    while (next < scans.length) {
      const i = next++;
      try {
        showAnswers(cards[i], scans[i], await recognize(scans[i], pattern));
      } catch (error) {
        failed++;
        element("p", error instanceof TypeError ? "The relay cannot be reached." : error.message, cards[i]).className = "bad";
      }
      done++;
      tell();
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, scans.length) }, work));
  button.disabled = false;
});
