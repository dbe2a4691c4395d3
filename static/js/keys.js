// Shortcuts: g and then h, r, d, m or s goes to a page, / goes to the search field.
const pages = { h: "/", r: "/runs", d: "/data", m: "/models", s: "/services" };
let isGoing = false;

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea, dialog")) return;
  if (isGoing && pages[event.key]) location.href = pages[event.key];
  isGoing = event.key === "g";
  if (event.key === "/") {
    const search = document.querySelector("input[type=search]");
    if (search) {
      event.preventDefault();
      search.focus();
    }
  }
});
