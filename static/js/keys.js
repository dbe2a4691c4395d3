// Shortcuts: g then h r d m s goes to a page, / to the search, ? lists them (on the home page's foot).
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
