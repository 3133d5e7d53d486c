// What the pages do beyond HTML and htmx. Everything works without it, only less smoothly.
(() => {
  "use strict";

  // Airflow's own pages must not open inside its frame, and the frame's sandbox forbids leaving it: the link is followed
  // by a twin in Airflow's own document, which may.
  const openInAirflow = (href) => {
    if (window.parent === window) return false;
    try {
      const outside = window.parent.document;
      const twin = outside.createElement("a");
      twin.href = href;
      outside.body.append(twin);
      twin.click();
      twin.remove();
      return true;
    } catch {
      return false;
    }
  };

  document.addEventListener("click", (event) => {
    const target = event.target instanceof Element ? event.target : null;
    if (!target) return;
    const link = target.closest("a[data-airflow]");
    if (link && event.button === 0 && openInAirflow(link.href)) event.preventDefault();
    const close = target.closest("[data-close]");
    if (close) close.parentElement.remove();
  });

  // Moments in the time zone chosen in Airflow, else the browser's.
  const zone = () => {
    try {
      return JSON.parse(localStorage.getItem("timezone")) || undefined;
    } catch {
      return undefined;
    }
  };
  const format = (options) => {
    const lang = document.documentElement.lang || "en";
    const locale = lang === "en" ? "en-GB" : lang;
    try {
      return new Intl.DateTimeFormat(locale, { ...options, timeZone: zone() });
    } catch {
      return new Intl.DateTimeFormat(locale, options);
    }
  };
  const localise = (root) => {
    const full = format({ year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit" });
    const long = format({ dateStyle: "full", timeStyle: "long" });
    for (const time of root.querySelectorAll("time[data-moment], time[data-title]")) {
      const at = new Date(time.dateTime);
      if (Number.isNaN(at.getTime())) continue;
      if ("moment" in time.dataset) time.textContent = full.format(at);
      time.title = long.format(at);
    }
  };
  // Airflow follows its frame when a page is loaded there, and not when htmx changes the address: say so, in the way it listens for.
  const follow = () => {
    try {
      window.frameElement?.dispatchEvent(new Event("load"));
    } catch {
      /* framed by another site: it cannot be told */
    }
  };
  document.addEventListener("htmx:pushedIntoHistory", follow);
  document.addEventListener("htmx:replacedInHistory", follow);

  localise(document);
  document.addEventListener("htmx:load", (event) => localise(event.detail.elt));
})();
