// Light or dark as Airflow is set (it keeps "light", "dark" or "system" under "theme"); runs before the first paint.
(() => {
  "use strict";
  const root = document.documentElement;
  const follow = () => {
    let chosen = null;
    try {
      chosen = localStorage.getItem("theme");
    } catch {
      /* storage is forbidden: the browser's preference counts */
    }
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
    else delete root.dataset.theme;
  };
  follow();
  window.addEventListener("storage", (event) => {
    if (event.key === "theme" || event.key === null) follow();
  });
  if (window.parent !== window) root.dataset.framed = "";
})();
