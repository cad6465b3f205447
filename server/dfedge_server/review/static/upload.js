// Uploads with progress, one after the other; without this script the form does it alone.
const form = document.getElementById("upload");
if (form) watch(form);

function watch(form) {
  const input = form.querySelector("#file");
  const list = document.getElementById("uploads");
  const zone = document.getElementById("drop");
  const limit = Number(form.dataset.limit);
  let waiting = Promise.resolve();

  input.multiple = true;
  for (const hint of form.querySelectorAll(".js-only")) hint.hidden = false;

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const files = [...input.files];
    input.value = "";
    send(files);
  });

  let depth = 0;
  const carriesFiles = (event) => event.dataTransfer?.types.includes("Files");
  const mark = (change) => zone.classList.toggle("over", (depth = Math.max(depth + change, 0)) > 0);
  addEventListener("dragenter", (event) => carriesFiles(event) && mark(1));
  addEventListener("dragleave", (event) => carriesFiles(event) && mark(-1));
  addEventListener("dragover", (event) => carriesFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    mark(-depth);
    send([...event.dataTransfer.files]);
  });

  function send(files) {
    const alone = files.length === 1 && list.children.length === 0;
    for (const file of files) {
      const entry = show(file);
      waiting = waiting.then(() => upload(file, entry)).then((href) => {
        if (href && alone) location.assign(href);
      });
    }
  }

  function show(file) {
    const item = document.createElement("li");
    const name = document.createElement("span");
    const state = document.createElement("span");
    const bar = document.createElement("progress");
    name.textContent = file.name;
    state.className = "soft small";
    state.textContent = "Waiting for the one before it";
    bar.max = 1;
    bar.value = 0;
    bar.setAttribute("aria-label", `Upload of ${file.name}`);
    item.append(name, bar, state);
    list.append(item);
    return { item, name, state, bar };
  }

  // Resolves to the address of the new page, or to null once the entry tells what went wrong.
  function upload(file, { item, name, state, bar }) {
    const fail = (words) => {
      bar.remove();
      item.setAttribute("role", "alert");
      state.className = "problem";
      state.textContent = words;
      return null;
    };
    if (file.size > limit) return fail("This file is larger than the server takes.");
    const body = new FormData();
    body.append("csrf", form.dataset.csrf);
    if (form.elements.forget.checked) body.append("forget", "1");
    body.append("file", file);
    const request = new XMLHttpRequest();
    request.open("POST", form.action);
    request.setRequestHeader("Accept", "application/json");
    request.responseType = "json";
    request.upload.addEventListener("progress", (event) => {
      bar.value = event.loaded / event.total;
      const whole = event.loaded === event.total;
      state.textContent = whole ? "Sent; the server stores it" : `${Math.floor(100 * bar.value)}% sent`;
    });
    return new Promise((resolve) => {
      request.addEventListener("error", () =>
        resolve(fail("The server cannot be reached. Try again.")),
      );
      request.addEventListener("load", () => {
        const answer = request.response;
        if (request.status === 201 && answer?.href) {
          const link = document.createElement("a");
          link.href = answer.href;
          link.textContent = file.name;
          name.replaceChildren(link);
          bar.remove();
          state.textContent = "Accepted";
          resolve(answer.href);
        } else {
          resolve(fail(answer?.detail ?? `The server answered ${request.status}.`));
        }
      });
      request.send(body);
    });
  }
}
