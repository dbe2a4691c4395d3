// How a log is read: runs of similar lines folded, a line or a range of them marked and in the address, times and
// wrapping as this person likes them. Without it the log is all there, unfolded.
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
  const own = shape(line);
  if (!own || own !== last.shape) {
    last = { shape: own, lines: [line], n: 0 };
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
  // The newest stays where it is: of progress it is the one that counts.
  for (const one of last.lines.splice(0, last.lines.length - 1)) {
    const chunk = one.parentElement;
    chunk.classList.remove("full");
    last.list.append(one);
    last.n += 1;
    if (last.list.children.length > MAX_FOLDED) last.list.firstElementChild.remove();
    if (!chunk.children.length) chunk.remove();
  }
  const kind = own.endsWith(" debug") ? "debug lines" : "similar lines";
  const part = last.n > MAX_FOLDED ? `, the last ${MAX_FOLDED} shown` : "";
  last.summary.textContent = `${last.n} ${kind}${part}`;
}

// A stage that floods its log must not fill the memory of whoever follows it: what is far above goes.
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

function number(line) {
  return Number(line.id.slice(1));
}

function range() {
  const found = /^#L(\d{1,9})(?:-L(\d{1,9}))?$/.exec(location.hash);
  return found && [Number(found[1]), Number(found[2] ?? found[1])];
}

function mark() {
  for (const line of box.querySelectorAll(".here")) line.classList.remove("here");
  const [first, end] = range() ?? [1, 0];
  const lines = [...box.querySelectorAll(".line")].filter((line) => number(line) >= first && number(line) <= end);
  for (const line of lines) {
    line.classList.add("here");
    line.closest("details")?.setAttribute("open", "");
  }
  copy.hidden = !lines.length || !navigator.clipboard;
  copy.textContent = lines.length === 1 ? "Copy line" : `Copy ${lines.length} lines`;
  return lines;
}

function goThere() {
  const wanted = range();
  const [line] = mark();
  if (line) line.scrollIntoView({ block: "center" });
  // It is in the log but not on this page.
  else if (wanted && wanted[0] <= Number(root.dataset.after) && !new URLSearchParams(location.search).has("at")) {
    location.replace(`?at=${wanted[0]}${location.hash}`);
  }
}

box.addEventListener("click", (event) => {
  const link = event.target.closest(".line > a");
  if (!link || event.ctrlKey || event.metaKey) return;
  const line = link.parentElement;
  if (!event.shiftKey && !link.getAttribute("href").startsWith("#")) return;
  event.preventDefault();
  const from = event.shiftKey ? (range()?.[0] ?? number(line)) : number(line);
  const [first, end] = [from, number(line)].sort((a, b) => a - b);
  history.replaceState(null, "", first === end ? `#L${first}` : `#L${first}-L${end}`);
  mark();
  box.dispatchEvent(new Event("hold"));
});

copy.addEventListener("click", async () => {
  const texts = [...box.querySelectorAll(".line.here .text")].map((text) => text.textContent);
  await navigator.clipboard.writeText(`${texts.join("\n")}\n`);
  copy.textContent = "Copied";
});

function like() {
  box.dataset.times = times.value;
  box.dataset.wrap = wrap.checked ? "wrap" : "nowrap";
  document.cookie = `log_view=${times.value}.${box.dataset.wrap}; path=/; max-age=${YEAR_S}; samesite=lax`;
}

for (const control of [times, wrap]) {
  control.removeAttribute("name"); // the cookie keeps it; in the address it would overrule the next choice
  control.addEventListener("change", like);
}
times.value = box.dataset.times; // a browser that reloads keeps what was chosen in another tab's time
wrap.checked = box.dataset.wrap === "wrap";

for (const line of box.querySelectorAll(".line")) fold(line);
box.addEventListener("added", ({ detail }) => {
  detail.lines.forEach(fold);
  if (detail.isFollowing) trim(); // never under somebody who reads further up
});
addEventListener("hashchange", goThere);
if (location.hash) goThere();
else if (root.dataset.opensAt) {
  const line = document.getElementById(`L${root.dataset.opensAt}`);
  if (line) {
    line.classList.add("here");
    // Only the log is moved, not the page under the reader.
    box.scrollTop += line.getBoundingClientRect().top - box.getBoundingClientRect().top - box.clientHeight / 3;
  }
}
