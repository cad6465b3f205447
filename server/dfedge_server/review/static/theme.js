// The reader's choice of light or dark, before anything is painted; without one, the system's.
"use strict";
(() => {
  const root = document.documentElement;
  const saved = () => {
    try {
      return localStorage.getItem("dfedge-theme");
    } catch {
      return null; // storage is switched off: the system's choice stays
    }
  };
  const dark = () =>
    root.dataset.theme
      ? root.dataset.theme === "dark"
      : matchMedia("(prefers-color-scheme: dark)").matches;
  if (["light", "dark"].includes(saved())) root.dataset.theme = saved();

  const local = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const name = () => (button.textContent = dark() ? "Light mode" : "Dark mode");
    name();
    button.hidden = false;
    button.addEventListener("click", () => {
      root.dataset.theme = dark() ? "light" : "dark";
      name();
      try {
        localStorage.setItem("dfedge-theme", root.dataset.theme);
      } catch {
        // kept for this page only
      }
    });
    for (const time of document.querySelectorAll("time[datetime]")) {
      time.title = time.textContent;
      time.textContent = local.format(new Date(time.dateTime));
    }
  });
})();
