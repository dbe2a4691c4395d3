// Makes the pages faster: without it every form and link works by loading a page.

const main = document.getElementById("main");
const status = document.getElementById("status");
let pending = null;
let shownUrl = location.pathname + location.search;

// Replaces this page by the one behind `url`, and moves the focus to `focus`.
async function show(url, { focus = "result", push = true } = {}) {
  pending?.abort();
  pending = new AbortController();
  main.classList.add("busy");
  try {
    const response = await fetch(url, { signal: pending.signal, headers: { Accept: "text/html" } });
    if (response.headers.has("refresh")) return location.assign(url);
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    const newMain = page.getElementById("main");
    if (!newMain) return location.assign(url);
    const isOpen = document.querySelector("details.about")?.open;
    main.replaceChildren(...newMain.childNodes);
    document.querySelector(".top-end")?.replaceWith(page.querySelector(".top-end"));
    document.title = page.title;
    if (isOpen) document.querySelector("details.about")?.setAttribute("open", "");
    if (push) history.pushState({}, "", url);
    shownUrl = location.pathname + location.search;
    announce(focus);
  } catch (error) {
    if (error.name !== "AbortError") location.assign(url);
    return;
  }
  main.classList.remove("busy");
}

function announce(focus) {
  const sentence = main.querySelector("[data-status]")?.textContent ?? main.querySelector("#result h2")?.textContent ?? "";
  status.textContent = sentence;
  const target = document.getElementById(focus);
  if (target) {
    target.focus({ preventScroll: true });
    const box = target.getBoundingClientRect();
    if (box.top < 0 || box.top > innerHeight - 160) target.scrollIntoView({ block: "start" });
  }
  setUpSlider();
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.id !== "row" || form.method !== "get") return;
  event.preventDefault();
  const focus = event.submitter?.dataset.focus ?? "result";
  show(`/?${new URLSearchParams(new FormData(form))}`, { focus });
});

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-swap]");
  if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey) return;
  event.preventDefault();
  show(link.getAttribute("href"), { focus: "" });
});

document.addEventListener("change", (event) => {
  const form = document.getElementById("row");
  if (event.target.id === "curve" && form?.method === "get") show(`/?${new URLSearchParams(new FormData(form))}`, { focus: "curve" });
});

addEventListener("popstate", () => {
  const url = location.pathname + location.search;
  if (url !== shownUrl) show(url, { focus: "", push: false }); // a link within the page also arrives here
});

// The slider under the curve: where the row would be with another value.
function setUpSlider() {
  const row = main.querySelector(".try-row");
  if (!row) return;
  const points = [...main.querySelectorAll(".numbers tr[data-x]")].map((tr) => ({
    x: tr.dataset.x, y: Number(tr.dataset.y), text: `${tr.cells[0].textContent}: ${tr.cells[1].textContent}`,
  }));
  const input = document.getElementById(row.querySelector("input").dataset.field);
  const range = row.querySelector("input");
  const mark = main.querySelector(".try");
  const [line, dot] = mark.children;
  const low = Number(points[0].x), high = Number(points.at(-1).x);
  const path = main.querySelector(".curve .series").getAttribute("d").match(/-?[\d.]+ -?[\d.]+/g).map((pair) => pair.split(" "));
  range.min = 0;
  range.max = points.length - 1;
  range.step = 1;
  const now = Number(input.value);
  range.value = points.findLastIndex((point) => Number(point.x) <= Math.min(Math.max(now, low), high));
  const draw = () => {
    const point = points[range.value], [x, y] = path[range.value];
    for (const end of ["x1", "x2"]) line.setAttribute(end, `${x}%`);
    dot.setAttribute("cx", `${x}%`);
    dot.setAttribute("cy", `${y}%`);
    row.querySelector("output").textContent = point.text;
    range.setAttribute("aria-valuetext", point.text);
  };
  range.addEventListener("input", () => { mark.removeAttribute("hidden"); draw(); });
  row.querySelector("[data-apply]").addEventListener("click", () => {
    input.value = points[range.value].x;
    input.form.requestSubmit();
  });
  draw();
  row.hidden = false;
}

setUpSlider();
