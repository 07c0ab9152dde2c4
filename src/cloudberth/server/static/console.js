// The progressive layer: everything works without it. Parts that refresh themselves, forms that ask first or cannot
// be sent twice, the reader's time zone.
"use strict";

(function rememberZone() {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (!zone || document.cookie.split("; ").includes("berth_zone=" + zone)) return;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = "berth_zone=" + zone + "; Path=/; Max-Age=31536000; SameSite=Lax" + secure;
})();

// <div data-refresh="/address" data-every="5">: asks for the part again, unless somebody works in it.
async function refresh(part) {
  if (document.hidden || part.contains(document.activeElement)) return;
  try {
    const answer = await fetch(part.dataset.refresh, { headers: { "X-Part": "1" }, credentials: "same-origin" });
    if (answer.status === 401) {
      const door = answer.headers.get("X-Sign-In") || "/sign-in";
      location.assign(door + "?next=" + encodeURIComponent(location.pathname + location.search));
      return;
    }
    if (answer.ok) {
      part.innerHTML = await answer.text();
      part.classList.remove("stale");
    }
  } catch {
    part.classList.add("stale");
  }
}

for (const part of document.querySelectorAll("[data-refresh]")) {
  setInterval(refresh, 1000 * (Number(part.dataset.every) || 5), part);
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  const question = (event.submitter && event.submitter.dataset.ask) || form.dataset.ask;
  if (question && !confirm(question)) {
    event.preventDefault();
    return;
  }
  // After this event: a disabled button is not sent with the form.
  setTimeout(() => form.querySelectorAll("button").forEach((button) => { button.disabled = true; }), 0);
});

// A page that comes back out of the browser's memory has its buttons again.
addEventListener("pageshow", () => {
  document.querySelectorAll("form button[disabled]").forEach((button) => { button.disabled = false; });
});

// Empty fields of a search only make its address long.
document.addEventListener("formdata", (event) => {
  if (event.target.method !== "get") return;
  for (const [name, value] of [...event.formData.entries()]) if (value === "") event.formData.delete(name);
});

// Links and buttons inside a line that folds must not fold it.
document.addEventListener("click", (event) => {
  const line = event.target.closest("summary.row");
  if (line && !event.target.closest(".fold") && !event.target.closest("a")) event.preventDefault();
});

// <a data-part="#id">: shows what it leads to in a part of this page, without leaving it.
document.addEventListener("click", async (event) => {
  const link = event.target.closest("a[data-part]");
  if (!link || event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
  const part = document.querySelector(link.dataset.part);
  event.preventDefault();
  try {
    const answer = await fetch(link.href, { headers: { "X-Part": "1" }, credentials: "same-origin" });
    if (!answer.ok) throw new Error(String(answer.status));
    part.innerHTML = await answer.text();
    document.querySelectorAll(".chosen").forEach((line) => line.classList.remove("chosen"));
    link.closest(".row, .leaf").classList.add("chosen");
    history.replaceState(null, "", link.href);
    if (part.getBoundingClientRect().top > innerHeight) part.scrollIntoView();
  } catch {
    location.assign(link.href);
  }
});

// <button formaction="…" data-into="#id">: sends its form and shows the answer there; what was typed stays.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-into]");
  if (!button || !button.form.reportValidity()) return;
  event.preventDefault();
  const into = document.querySelector(button.dataset.into);
  button.disabled = true;
  try {
    const body = new URLSearchParams(new FormData(button.form));
    const answer = await fetch(button.formAction, { method: "POST", body, headers: { "X-Part": "1", Accept: "text/html" } });
    if (answer.status === 401) location.reload();
    else into.innerHTML = await answer.text();
  } catch (error) {
    into.textContent = String(error);
  } finally {
    button.disabled = false;
  }
});
