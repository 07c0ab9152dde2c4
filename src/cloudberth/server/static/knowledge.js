// Pages of knowledge, the progressive layer: files that are dropped, sent one by one with their progress, previews,
// and parts of a page that come a moment later.
"use strict";

// One file with XMLHttpRequest, because fetch does not tell how much was sent.
function send(form, address, file, told) {
  return new Promise((resolve) => {
    const body = new FormData();
    for (const [name, value] of new FormData(form).entries()) if (!(value instanceof File)) body.append(name, value);
    body.append("file", file, file.name);
    const request = new XMLHttpRequest();
    request.open("POST", address);
    request.setRequestHeader("X-Part", "1");
    request.upload.addEventListener("progress", (event) => { if (event.lengthComputable) told(event.loaded / event.total); });
    request.addEventListener("load", () => resolve(request));
    request.addEventListener("error", () => resolve(null));
    request.send(body);
  });
}

function line(list, name) {
  const item = document.createElement("li");
  const title = document.createElement("span");
  const progress = document.createElement("progress");
  const said = document.createElement("span");
  title.textContent = name;
  title.className = "clip";
  progress.max = 1;
  progress.value = 0;
  progress.setAttribute("aria-label", name);
  item.append(title, progress, said);
  list.append(item);
  return { progress, said };
}

function answerOf(request, lost) {
  if (request === null) return lost;
  if (request.status === 401) location.reload();
  try {
    const answer = JSON.parse(request.responseText);
    return [answer.error, answer.hint].filter(Boolean).join(" – ") || "HTTP " + request.status;
  } catch {
    return "HTTP " + request.status;
  }
}

async function sendAll(form, files) {
  const list = form.querySelector(".uploads");
  const waiting = files.map((file) => ({ file, ...line(list, file.name) }));
  for (const one of waiting) {
    one.said.textContent = form.dataset.sending;
    const request = await send(form, form.action, one.file, (share) => { one.progress.value = share; });
    const taken = request !== null && request.status === 200;
    one.progress.value = taken ? 1 : 0;
    one.said.textContent = taken ? form.dataset.taken : answerOf(request, form.dataset.lost);
    one.said.className = taken ? "good-text" : "bad-text";
    const table = document.querySelector("#documents");
    if (taken && table) refresh(table);
  }
  form.querySelectorAll("button").forEach((button) => { button.disabled = false; });
}

for (const form of document.querySelectorAll("form[data-upload]")) {
  const field = form.querySelector("input[type=file]");
  const drop = form.querySelector(".drop");
  form.addEventListener("submit", (event) => {
    if (event.submitter && event.submitter.dataset.fileInto) return;
    event.preventDefault();
    const files = [...field.files];
    // Whoever chooses more while these are on their way does not lose them.
    field.value = "";
    if (files.length) sendAll(form, files);
  });
  for (const name of ["dragenter", "dragover"]) {
    drop.addEventListener(name, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) drop.addEventListener(name, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) sendAll(form, [...event.dataTransfer.files]);
  });
}

// <button data-file-into="#id" formaction="…">: sends the first chosen file and shows the answer there.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-file-into]");
  if (!button || !button.form.reportValidity()) return;
  event.preventDefault();
  button.disabled = true;
  const file = button.form.querySelector("input[type=file]").files[0];
  const request = await send(button.form, button.formAction, file, () => {});
  const into = document.querySelector(button.dataset.fileInto);
  if (request !== null && request.status === 200) into.innerHTML = request.responseText;
  else into.textContent = answerOf(request, button.form.dataset.lost);
  button.disabled = false;
});

// <div data-load="/address">: what is not there yet (204) is asked for a few times.
async function load(part, times) {
  const answer = await fetch(part.dataset.load, { headers: { "X-Part": "1" }, credentials: "same-origin" }).catch(() => null);
  if (answer && answer.status === 200) part.innerHTML = await answer.text();
  else if (answer && answer.status === 204 && times > 1) setTimeout(load, 400, part, times - 1);
}

for (const part of document.querySelectorAll("[data-load]")) load(part, 10);
