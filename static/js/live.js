// The live log. One EventSource per tab; the cursor is the number of the last line on the page, so that leaving and
// coming back gives no gap and no repeat. After three failed connections it polls the same lines instead.
const root = document.querySelector("[data-log]");
const box = root.querySelector(".log");
const pill = root.querySelector(".log-pill");
const status = root.querySelector("[data-log-status]");
const count = root.querySelector("[data-log-count]");
const following = root.querySelector("[data-log-follow]");
const NEAR_END_PX = 24;
const REFRESH_MS = 500;
const CHUNK_LINES = 200;

let after = Number(root.dataset.after);
let isLive = root.dataset.live === "1";
let nShown = root.dataset.shown === undefined ? undefined : Number(root.dataset.shown);
let isFollowing = isLive && !location.hash;
let nNew = 0;
let failures = 0;
let source;
let pollTimer;
let refreshTimer;
let refreshedAt = 0;

function scrollToEnd() {
  box.scrollTop = box.scrollHeight;
}

function setFollowing(value) {
  isFollowing = value;
  following.checked = value;
  if (value) {
    nNew = 0;
    scrollToEnd();
  }
  pill.hidden = value || nNew === 0;
}

function append(html) {
  const chunk = document.createElement("ol");
  chunk.className = "chunk";
  chunk.innerHTML = html; // made by the server from escaped text; scripts in it would not run either (CSP)
  // A line that came before is not shown twice, whatever the network did and even if it was trimmed since.
  for (const line of [...chunk.children]) if (Number(line.id.slice(1)) <= after) line.remove();
  const n = chunk.children.length;
  if (!n) return;
  if (nShown !== undefined) nShown += n;
  if (n === CHUNK_LINES) chunk.classList.add("full"); // what is out of sight is not laid out
  if (!box.querySelector(".line")) box.querySelector(".nothing")?.remove();
  box.append(chunk);
  box.dispatchEvent(new CustomEvent("lines-added", { detail: { lines: [...chunk.children], isFollowing } }));
  if (isFollowing) scrollToEnd();
  else {
    nNew += n;
    pill.textContent = `${nNew} new ${nNew === 1 ? "line" : "lines"}`;
    pill.hidden = false;
  }
}

function setStatus(text) {
  if (status.textContent !== text) status.textContent = text;
}

function showCount() {
  const total = `${after.toLocaleString("en")} ${after === 1 ? "line" : "lines"}`;
  count.textContent = nShown === undefined ? total : `${nShown.toLocaleString("en")} of ${total}`;
}

function refresh() {
  const part = document.getElementById("run");
  const dialog = part.querySelector("dialog[open]");
  // A swap would close an open dialog.
  if (dialog) dialog.addEventListener("close", refresh, { once: true });
  else htmx.trigger(part, "poll");
}

// A stage may report progress many times a second.
function refreshSoon() {
  const wait = refreshedAt + REFRESH_MS - performance.now();
  if (wait > 0) {
    refreshTimer ??= setTimeout(() => {
      refreshTimer = undefined;
      refreshSoon();
    }, wait);
    return;
  }
  refreshedAt = performance.now();
  refresh();
}

function finish() {
  isLive = false;
  close();
  setStatus("The log is complete.");
  refresh();
}

function close() {
  source?.close();
  source = undefined;
  clearTimeout(pollTimer);
}

function url(base) {
  const [path, query] = base.split("?");
  return `${path}?${query ? `${query}&` : ""}after=${after}`;
}

function connect() {
  close();
  if (!isLive || document.hidden) return;
  source = new EventSource(url(root.dataset.stream));
  source.addEventListener("open", () => {
    failures = 0;
    setStatus("Live");
    document.dispatchEvent(new CustomEvent("connection-lost", { detail: false }));
  });
  source.addEventListener("log", (event) => {
    append(event.data);
    after = Math.max(after, Number(event.lastEventId));
    showCount();
  });
  source.addEventListener("state", refreshSoon);
  source.addEventListener("end", (event) => (Number(event.lastEventId) > after ? connect() : finish()));
  source.addEventListener("error", () => {
    setStatus(`Reconnecting after line ${after}`);
    failures += 1;
    // A stream that was closed for good, or that keeps failing, is replaced by polling.
    if (failures >= 3 || source.readyState === EventSource.CLOSED) {
      close();
      pollTimer = setTimeout(poll, 2000);
    }
  });
}

async function poll() {
  if (!isLive || document.hidden) return;
  try {
    const response = await fetch(url(root.dataset.lines), { headers: { Accept: "text/html" }, redirect: "error" });
    if (!response.ok) throw new Error(String(response.status));
    append(await response.text());
    after = Number(response.headers.get("X-Log-After"));
    showCount();
    document.dispatchEvent(new CustomEvent("connection-lost", { detail: false }));
    setStatus("Live (polling every 2 s)");
    if (response.headers.get("X-Log-End") === "1") {
      finish();
      return;
    }
  } catch {
    document.dispatchEvent(new CustomEvent("connection-lost", { detail: true }));
    setStatus(`No connection since line ${after}`);
  }
  pollTimer = setTimeout(poll, 2000);
}

function jumpToError(step) {
  const errors = [...box.querySelectorAll(".line.error")];
  if (!errors.length) return;
  const top = box.getBoundingClientRect().top;
  const firstBelow = errors.findIndex((line) => line.getBoundingClientRect().top > top + 4);
  const current = box.querySelector(".line.here");
  const next = current ? errors.indexOf(current) + step : step > 0 ? Math.max(firstBelow, 0) : firstBelow - 1;
  const line = errors[Math.min(Math.max(next, 0), errors.length - 1)];
  setFollowing(false);
  current?.classList.remove("here");
  line.classList.add("here");
  line.scrollIntoView({ block: "center" });
}

box.addEventListener("scroll", () => {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_END_PX;
  if (isAtEnd !== isFollowing && (isLive || !isAtEnd)) setFollowing(isAtEnd);
});
box.addEventListener("stop-following", () => setFollowing(false));
following.addEventListener("change", () => setFollowing(following.checked));
pill.addEventListener("click", () => setFollowing(true));
document.addEventListener("visibilitychange", () => (document.hidden ? close() : connect()));
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (event.key === "f") setFollowing(true);
  if (event.key === "e") jumpToError(1);
  if (event.key === "E") jumpToError(-1);
});

if (isFollowing) scrollToEnd();
setFollowing(isFollowing);
connect();
