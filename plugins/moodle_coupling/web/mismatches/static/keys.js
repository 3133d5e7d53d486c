// Keys for going through mismatches: j and k, Enter, the numbers of the choices; ? shows them. Each presses what the page has.
(() => {
  "use strict";
  const help = document.querySelector("dialog[data-keys]");
  if (!help) return;
  const on = help.dataset.keys === "on";
  document.documentElement.classList.toggle("keyed", on);

  const find = (selector, inside = document) => inside.querySelector(selector);
  const rows = () => [...document.querySelectorAll("table.mismatches > tbody > tr")];
  const row = () => document.activeElement?.closest("table.mismatches > tbody > tr") ?? null;
  const go = (one, quietly = false) => find(".name", one)?.focus({ preventScroll: quietly });
  const press = (element) => {
    if (!element) return false;
    element.click();
    return true;
  };

  const step = (by) => {
    const all = rows();
    if (!all.length) return press(find(by > 0 ? "#one a[rel=next]" : "#one a[rel=prev]"));
    const to = row() ? all.indexOf(row()) + by : by > 0 ? 0 : all.length - 1;
    if (all[to]) go(all[to]);
    else return press(find(by > 0 ? ".pager a[rel=next]" : ".pager a[rel=prev]"));
    return true;
  };
  const choose = (number) => {
    const choices = (row() ?? find("#one"))?.querySelectorAll(".options button[name=choice]") ?? [];  // in their order on the page
    return press(choices[number - 1]);
  };
  const note = () => {
    const fold = row() ? find("details.ask", row()) : find("#one form.decide")?.closest("details");
    if (fold) fold.open = true;
    const field = find("form.decide input[name=note]", row() ? (fold ?? row()) : (find("#one") ?? document));
    field?.focus();
    return Boolean(field);
  };
  const search = () => {
    const field = find("#f-text");
    field?.focus();
    field?.select();
    return Boolean(field);
  };

  const KEYS = {
    j: () => step(1),
    k: () => step(-1),
    u: () => press(find("#notice [data-key=u]")),
    n: note,
    x: () => press(row() && find("input[name=tick]", row())),
    "/": search,
    "?": () => (help.showModal(), true),
  };
  const typing = (target) => target.closest("input:not([type=checkbox], [type=radio]), select, textarea, [contenteditable]");

  if (on) {
    document.addEventListener("keydown", (event) => {
      if (event.defaultPrevented || event.repeat || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
      if (help.open || !(event.target instanceof Element) || typing(event.target)) return;
      const done = /^[1-9]$/.test(event.key) ? choose(Number(event.key)) : KEYS[event.key]?.();
      if (done) event.preventDefault();
    });
  }

  document.addEventListener("click", (event) => {
    if (!(event.target instanceof Element)) return;
    if (event.target.closest("[data-keys-help]")) help.showModal();
    if (event.target.closest("[data-keys-close]")) help.close();
  });
  const ready = () => {
    for (const button of document.querySelectorAll("[data-keys-help]")) button.hidden = false;
  };
  ready();

  // After a decision in the list the same place has the next mismatch: the keyboard goes on there.
  let at = -1;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.id !== "mismatches") return;
    const here = rows().indexOf(row());
    if (here >= 0) at = here;
    else if (!event.detail.requestConfig?.elt?.closest("#notice")) at = -1;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    ready();
    const all = rows();
    if (event.detail.target?.id === "mismatches" && at >= 0 && all.length) go(all[Math.min(at, all.length - 1)], true);
  });
})();
