// The list of mismatches: how many are ticked, ticking all, and the filter folded on a small screen.
(() => {
  "use strict";
  document.documentElement.classList.add("scripted");

  const ticks = () => [...document.querySelectorAll("input[type=checkbox][name=tick]")];
  const count = () => {
    const all = ticks();
    const ticked = all.filter((one) => one.checked).length;
    const shown = document.querySelector("[data-ticked]");
    if (shown) shown.textContent = String(ticked);
    for (const button of document.querySelectorAll("[data-for-ticked]")) button.disabled = ticked === 0;
    const every = document.querySelector("[data-tick-all]");
    if (!every) return;
    every.hidden = false;
    every.checked = ticked > 0 && ticked === all.length;
    every.indeterminate = ticked > 0 && ticked < all.length;
  };
  const ready = () => {
    count();
    const small = window.matchMedia("(max-width: 70rem)").matches;
    for (const box of document.querySelectorAll("[data-fold-on-small]")) if (small) box.open = false;
  };

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-tick-all]")) for (const one of ticks()) one.checked = event.target.checked;
    if (event.target.matches("[data-tick-all], input[name=tick]")) count();
  });
  // One panel at a time; Escape and a click elsewhere close it.
  const close = (but) => {
    for (const panel of document.querySelectorAll("details.ask[open]")) if (panel !== but) panel.open = false;
  };
  document.addEventListener("click", (event) => close(event.target.closest("details.ask")));
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    const open = document.querySelector("details.ask[open]");
    if (!open) return;
    open.open = false;
    open.querySelector("summary").focus();
  });
  // Enter in the panel that assigns presses its own button, not the first one of the form.
  document.addEventListener("keydown", (event) => {
    const panel = event.key === "Enter" && event.target.matches("input") ? event.target.closest(".panel.assign") : null;
    if (!panel) return;
    event.preventDefault();
    panel.querySelector("button:not([disabled])")?.click();
  });
  ready();
  document.addEventListener("htmx:load", (event) => (event.detail.elt.closest("tr") ? count() : ready()));
})();
