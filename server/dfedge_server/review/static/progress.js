// How far the work has come: told by the server as it happens, asked for where that fails.
const POLL_MILLISECONDS = 2000;
const QUEUE_MILLISECONDS = 5000;
const FINAL = ["done", "failed", "cancelled"];
const STAGES = {
  waiting: "Waiting for its turn",
  fetching: "Fetching the media",
  faces: "Looking for faces",
  models: "Asking the models",
  evidence: "Making pictures of the evidence",
  done: "Done",
};

const panel = document.getElementById("progress");
const stage = document.getElementById("stage");
const bar = document.getElementById("bar");
const heading = document.getElementById("progress-heading");
let source = null;
let queued = false;

function show({ state, stage: { name, done, total }, queue_position: before }) {
  if (FINAL.includes(state)) {
    source?.close();
    location.reload();
    return;
  }
  queued = state === "queued";
  heading.textContent = queued ? "Waiting" : "Being judged";
  let words = STAGES[name] ?? name;
  if (before) words += `: ${before === 1 ? "1 job" : `${before} jobs`} before this one`;
  else if (total && name !== "waiting") words += `: ${done} of ${total}`;
  if (stage.textContent !== words) stage.textContent = words;
  if (total) bar.value = (100 * done) / total;
  else bar.removeAttribute("value");
}

async function look() {
  try {
    const answer = await fetch(panel.dataset.href, { headers: { Accept: "application/json" } });
    if (answer.ok) show(await answer.json());
    else if ([401, 404].includes(answer.status)) location.reload();
  } catch {
    stage.textContent = "The server cannot be reached; trying again";
  }
}

function poll() {
  source?.close();
  setInterval(look, POLL_MILLISECONDS);
}

function listen() {
  let heard = false;
  source = new EventSource(`${panel.dataset.href}/events`);
  for (const name of ["progress", "end"]) {
    source.addEventListener(name, (event) => {
      heard = true;
      const told = JSON.parse(event.data);
      if (told.stage.name === "waiting") look(); // only the whole escalation has its place in line
      else show(told);
    });
  }
  source.addEventListener("deleted", () => location.reload());
  source.addEventListener("error", () => {
    // The browser connects again by itself, unless it was refused or nothing ever came.
    if (!heard || source.readyState === EventSource.CLOSED) poll();
  });
  setInterval(() => queued && look(), QUEUE_MILLISECONDS);
}

if ("EventSource" in window) listen();
else poll();
