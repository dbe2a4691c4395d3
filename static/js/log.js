// Reading a log: similar consecutive lines are folded, a line or a range can be marked and linked to, and the choice of
// times and wrapping is remembered. Without this script the log is complete, unfolded.
const root = document.querySelector("[data-log]");
const box = root.querySelector(".log");
const copy = root.querySelector("[data-log-copy]");
const times = document.getElementById("log-times");
const wrap = document.getElementById("log-wrap");
const FOLD_FROM = 4;
const MAX_FOLDED = 2000;
const MAX_LINES = 20000;
const YEAR_S = 31536000;

// Lines of one stage and level that differ in numbers and signs only (progress) are alike, and so are all debug lines.
function shape(line) {
  const level = line.querySelector(".level").textContent;
  const stage = line.querySelector(".of").textContent;
  if (level === "error") return "";
  if (level === "debug") return `${stage} debug`;
  const text = line.querySelector(".text").textContent;
  return `${stage} ${level} ${text.replace(/[^\p{L}]+/gu, " ").trim() || text}`;
}

let last = { shape: "", lines: [], n: 0 };

function fold(line) {
  const lineShape = shape(line);
  if (!lineShape || lineShape !== last.shape) {
    last = { shape: lineShape, lines: [line], n: 0 };
    return;
  }
  last.lines.push(line);
  if (last.lines.length < FOLD_FROM && !last.list) return;
  if (!last.list) {
    const item = document.createElement("li");
    item.className = "fold";
    item.innerHTML = "<details><summary></summary><ol></ol></details>";
    last.lines[0].before(item);
    last.list = item.querySelector("ol");
    last.summary = item.querySelector("summary");
  }
  // The newest line stays outside: of progress it is the one that matters.
  for (const older of last.lines.splice(0, last.lines.length - 1)) {
    const chunk = older.parentElement;
    chunk.classList.remove("full");
    last.list.append(older);
    last.n += 1;
    if (last.list.children.length > MAX_FOLDED) last.list.firstElementChild.remove();
    if (!chunk.children.length) chunk.remove();
  }
  const kind = lineShape.endsWith(" debug") ? "debug lines" : "similar lines";
  const part = last.n > MAX_FOLDED ? `, the last ${MAX_FOLDED} shown` : "";
  last.summary.textContent = `${last.n} ${kind}${part}`;
}

// A stage that floods its log must not fill the memory of the browser that follows it: lines far above are removed.
function trim() {
  let n = box.querySelectorAll(".line").length;
  for (const chunk of box.querySelectorAll(":scope > .chunk")) {
    if (n <= MAX_LINES || chunk.contains(last.lines[0]) || chunk.contains(last.list ?? null)) break;
    n -= chunk.querySelectorAll(".line").length;
    chunk.remove();
    if (!box.querySelector(".nothing")) {
      box.insertAdjacentHTML("afterbegin", '<p class="nothing">Earlier lines are not shown. <a href="?at=1">Show them</a></p>');
    }
  }
}

function seq(line) {
  return Number(line.id.slice(1));
}

function linkedRange() {
  const match = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/.exec(location.hash);
  return match && [Number(match[1]), Number(match[2] ?? match[1])];
}

function markRange() {
  for (const line of box.querySelectorAll(".here")) line.classList.remove("here");
  const [first, end] = linkedRange() ?? [1, 0];
  const lines = [...box.querySelectorAll(".line")].filter((line) => seq(line) >= first && seq(line) <= end);
  for (const line of lines) {
    line.classList.add("here");
    line.closest("details")?.setAttribute("open", "");
  }
  copy.hidden = !lines.length || !navigator.clipboard;
  copy.textContent = lines.length === 1 ? "Copy line" : `Copy ${lines.length} lines`;
  return lines;
}

function showRange() {
  const target = linkedRange();
  const [line] = markRange();
  if (line) line.scrollIntoView({ block: "center" });
  // The line is in the log but not on this page.
  else if (target && target[0] <= Number(root.dataset.after) && !new URLSearchParams(location.search).has("at")) {
    location.replace(`?at=${target[0]}${location.hash}`);
  }
}

box.addEventListener("click", (event) => {
  const link = event.target.closest(".line > a");
  if (!link || event.ctrlKey || event.metaKey) return;
  const line = link.parentElement;
  if (!event.shiftKey && !link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  const from = event.shiftKey ? (linkedRange()?.[0] ?? seq(line)) : seq(line);
  const [first, end] = [from, seq(line)].sort((a, b) => a - b);
  history.replaceState(null, "", first === end ? `#L${first}` : `#L${first}-L${end}`);
  markRange();
  box.dispatchEvent(new Event("stop-following"));
});

copy.addEventListener("click", async () => {
  const texts = [...box.querySelectorAll(".line.here .text")].map((text) => text.textContent);
  await navigator.clipboard.writeText(`${texts.join("\n")}\n`);
  copy.textContent = "Copied";
});

function savePreferences() {
  box.dataset.times = times.value;
  box.dataset.wrap = wrap.checked ? "wrap" : "nowrap";
  document.cookie = `log_view=${times.value}.${box.dataset.wrap}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

for (const control of [times, wrap]) {
  control.removeAttribute("name"); // the cookie keeps it; in the address it would override the next choice
  control.addEventListener("change", savePreferences);
}
times.value = box.dataset.times; // a browser that reloads restores an older choice
wrap.checked = box.dataset.wrap === "wrap";

for (const line of box.querySelectorAll(".line")) fold(line);
box.addEventListener("lines-added", ({ detail }) => {
  detail.lines.forEach(fold);
  if (detail.isFollowing) trim(); // never while somebody reads further up
});
addEventListener("hashchange", showRange);
if (location.hash) showRange();
else if (root.dataset.opensAt) {
  const line = document.getElementById(`L${root.dataset.opensAt}`);
  if (line) {
    line.classList.add("here");
    // Scroll the log only, not the page.
    box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
  }
}
