// A time that is chosen shows the clip there; the dots of the timeline are one stop of the tab key.
const media = document.getElementById("media");
const timeline = document.getElementById("timeline");
const at = document.getElementById("at");
const now = document.getElementById("now");
const stops = [...document.querySelectorAll("#timeline .stop")].sort(
  (one, other) => one.dataset.seconds - other.dataset.seconds,
);

function seek(seconds) {
  media.pause();
  media.currentTime = Number(seconds);
  media.scrollIntoView({ block: "nearest" });
}

for (const link of document.querySelectorAll("a[data-seconds]")) {
  link.addEventListener("click", (event) => {
    if (!(media instanceof HTMLVideoElement) || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    seek(link.dataset.seconds);
  });
}

stops.forEach((stop, index) => {
  stop.setAttribute("tabindex", index === 0 ? "0" : "-1");
  const tell = () => (at.textContent = stop.getAttribute("aria-label"));
  stop.addEventListener("focus", tell);
  stop.addEventListener("pointerenter", tell);
});

timeline?.addEventListener("keydown", (event) => {
  const here = stops.indexOf(document.activeElement);
  const there = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: stops.length - 1 }[event.key];
  if (here < 0 || !stops[there]) return;
  event.preventDefault();
  stops[here].setAttribute("tabindex", "-1");
  stops[there].setAttribute("tabindex", "0");
  stops[there].focus();
});

// The line that says where the clip stands, between the dots nearest in time.
function follow() {
  const first = stops[0];
  const last = stops.at(-1);
  const span = last.dataset.seconds - first.dataset.seconds;
  if (!(span > 0)) return;
  const part = (media.currentTime - first.dataset.seconds) / span;
  const x = Number(first.dataset.x) + part * (last.dataset.x - first.dataset.x);
  const inside = x >= 0 && x <= 100;
  now.setAttribute("visibility", inside ? "visible" : "hidden");
  if (!inside) return;
  now.setAttribute("x1", `${x}%`);
  now.setAttribute("x2", `${x}%`);
}
if (media instanceof HTMLVideoElement && stops.length) media.addEventListener("timeupdate", follow);

const print = document.getElementById("print");
if (print) {
  print.hidden = false;
  print.addEventListener("click", () => window.print());
}
