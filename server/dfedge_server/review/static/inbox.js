// Keys of the inbox: j and k move, Enter opens (the link has the focus), / searches, u uploads.
const rows = [...document.querySelectorAll("#inbox .row-link")];
const on = document.getElementById("keys-on");

on.checked = localStorage.getItem("dfedge-keys") !== "off";
on.addEventListener("change", () => localStorage.setItem("dfedge-keys", on.checked ? "on" : "off"));

function move(step) {
  const at = rows.indexOf(document.activeElement);
  const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), rows.length - 1);
  rows[next]?.focus();
}

const keys = {
  j: () => move(1),
  k: () => move(-1),
  "/": () => document.getElementById("q").focus(),
  u: () => document.getElementById("file")?.focus(),
};

document.addEventListener("keydown", (event) => {
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (!on.checked || typing || event.ctrlKey || event.altKey || event.metaKey) return;
  const act = keys[event.key];
  if (!act) return;
  event.preventDefault();
  act();
});
