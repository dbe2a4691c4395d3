// Forms: a click submits once, and what cannot be undone is confirmed in a dialog that names the effect.
document.addEventListener("submit", (event) => {
  const form = event.target;
  const dialog = form.dataset.confirm && document.getElementById(form.dataset.confirm);
  if (dialog && !dialog.open) {
    event.preventDefault();
    dialog.showModal();
    return;
  }
  if (form.method !== "post") return;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  form.dataset.sent = "1";
  // Disabled only after the browser has collected the fields, so that the pressed button is among them.
  const buttons = [...form.querySelectorAll("button[type=submit]"), ...document.querySelectorAll(`button[form="${form.id}"]`)];
  setTimeout(() => { for (const button of buttons) button.disabled = true; });
});

document.addEventListener("click", (event) => {
  const closer = event.target.closest("[data-close]");
  if (closer) closer.closest("dialog").close();
});

// A form that shows the parts for the selected option: <select data-shows="prefix-"> shows #prefix-VALUE.
function showSelectedPart(select) {
  for (const option of select.options) {
    const part = document.getElementById(select.dataset.shows + option.value);
    if (part) part.hidden = option.value !== select.value;
  }
}
for (const select of document.querySelectorAll("select[data-shows]")) {
  showSelectedPart(select);
  select.addEventListener("change", () => showSelectedPart(select));
}

// The back button shows the page as it was left: with enabled buttons.
addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) {
    delete form.dataset.sent;
    for (const button of form.querySelectorAll("button")) button.disabled = false;
  }
});
