// Relative times and countdowns by the server's clock: one timer for all, none while the tab is hidden.
const meta = document.querySelector('meta[name="server-now-ms"]');
let offset = Number(meta.content) - Date.now();

const units = [["d", 86400], ["h", 3600], ["min", 60]];

function clock(totalSeconds) {
  const s = Math.max(0, Math.round(totalSeconds));
  const two = (n) => String(n).padStart(2, "0");
  const minutes = Math.floor(s / 60) % 60;
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(minutes)}:${two(s % 60)}` : `${minutes}:${two(s % 60)}`;
}

function rounded(seconds) {
  for (const [unit, size] of units) if (seconds >= size) return `${Math.floor(seconds / size)} ${unit}`;
  return `${Math.max(0, Math.floor(seconds))} s`;
}

function relative(seconds) {
  return seconds < 5 ? "just now" : `${rounded(seconds)} ago`;
}

function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

function tick() {
  const now = Date.now() + offset;
  for (const t of document.querySelectorAll("time[data-ago]")) setText(t, relative((now - Date.parse(t.dateTime)) / 1000));
  for (const t of document.querySelectorAll("time[data-for]")) setText(t, `for ${rounded((now - Date.parse(t.dateTime)) / 1000)}`);
  for (const t of document.querySelectorAll("time[data-since]")) setText(t, clock((now - Date.parse(t.dateTime)) / 1000));
  for (const t of document.querySelectorAll("time[data-left]")) {
    const left = (Date.parse(t.dateTime) - now) / 1000;
    setText(t, left > 0 ? `in ${clock(left)}` : t.dataset.left);
  }
}

let timer;
function run() {
  clearInterval(timer);
  if (document.hidden) return;
  tick();
  timer = setInterval(tick, 1000);
}
document.addEventListener("visibilitychange", run);
document.addEventListener("htmx:after:swap", (event) => {
  const now = event.detail?.ctx?.response?.raw?.headers?.get("X-Server-Now-Ms");
  if (now) offset = Number(now) - Date.now();
  tick();
});
run();
