// Refreshes the parts of a page that ask for it: htmx fetches [data-poll-s] that often, not while the tab is hidden.
// When the panel does not respond, one banner says so; the parts stay as they were.
const banner = document.getElementById("connection-lost");
const timers = new WeakMap();

function arm(element) {
  clearTimeout(timers.get(element));
  const seconds = Number(element.dataset.pollS);
  if (!seconds) return;
  timers.set(element, setTimeout(() => {
    if (!element.isConnected) return;
    if (document.hidden || isBusy(element)) arm(element);
    else htmx.trigger(element, "poll");
  }, seconds * 1000));
}

// A part in which somebody is choosing or typing must not be swapped.
function isBusy(element) {
  const active = document.activeElement;
  return element.contains(active) && active.matches("select, input, textarea") || element.querySelector("dialog[open]");
}

function armAll() {
  for (const element of document.querySelectorAll("[data-poll-s]")) arm(element);
}

function setLost(isLost) {
  if (isLost && banner.hidden) banner.querySelector("[data-lost-at]").textContent = new Date().toLocaleTimeString();
  banner.hidden = !isLost;
}

function toast(html) {
  const toasts = document.getElementById("toasts");
  toasts.innerHTML = html;
  setTimeout(() => toasts.replaceChildren(), 15000);
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const element of document.querySelectorAll("[data-poll-s]")) if (!isBusy(element)) htmx.trigger(element, "poll");
});
// A response to a request sent before a dialog opened would close it.
document.addEventListener("htmx:before:swap", (event) => {
  const { sourceElement, target } = event.detail.ctx;
  if (sourceElement === target && isBusy(target)) event.preventDefault();
});
document.addEventListener("htmx:after:request", () => setLost(false));
document.addEventListener("htmx:finally:request", () => setTimeout(armAll));
document.addEventListener("htmx:error", () => setLost(true));
document.addEventListener("htmx:response:error", (event) => {
  const { response, text } = event.detail.ctx;
  if (response.status < 500 && text?.startsWith("<div class=\"toast\"")) toast(text);
});
document.addEventListener("connection-lost", (event) => setLost(event.detail));
armAll();
