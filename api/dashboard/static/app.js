// Small comforts. Every page works without this file.
"use strict";

document.documentElement.classList.add("js");

// On a wide screen the menu is always open; on a phone it folds.
const wide = window.matchMedia("(min-width: 900px)");
function foldMenu() {
  const menu = document.getElementById("menu");
  if (menu) {
    menu.open = wide.matches;
    menu.dataset.ready = "yes";
  }
  for (const more of document.querySelectorAll("details[data-open-wide]")) more.open = wide.matches;
}
wide.addEventListener("change", foldMenu);
foldMenu();

document.addEventListener("change", (event) => {
  const form = event.target.closest("form[data-auto-submit]");
  if (form) form.requestSubmit();
});

// Empty fields have no place in an address that people share.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "get") return;
  for (const field of form.elements) {
    if (field.name && field.value === "") field.disabled = true;
  }
  setTimeout(() => {
    for (const field of form.elements) field.disabled = false;
  }, 500);
});

document.addEventListener("submit", (event) => {
  const question = event.target.dataset && event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// A one-time link logs in by itself once somebody looks at it; previews and scanners do not.
const link = document.querySelector("form[data-submit-when-seen]");
if (link) {
  const submit = () => {
    if (document.visibilityState === "visible" && !link.dataset.sent) {
      link.dataset.sent = "yes";
      link.requestSubmit();
    }
  };
  document.addEventListener("visibilitychange", submit);
  submit();
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  const field = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(field.value || field.textContent);
  button.textContent = button.dataset.done;
});

// Pop-ups close with Escape and with a click elsewhere.
function closePops(except) {
  for (const pop of document.querySelectorAll("details.pop[open]")) {
    if (pop !== except) pop.open = false;
  }
}
document.addEventListener("click", (event) => closePops(event.target.closest("details.pop")));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closePops(null);
});
