"use strict";
// Shows an answer while it is being made. What a model wrote is put into the page as text alone. Without this script the
// same form loads the page with the complete answer.
(() => {
let stop = null;

function parts() {
  const coming = document.getElementById("coming");
  return { coming, asked: coming.querySelector(".asked"), said: coming.querySelector(".said"), state: coming.querySelector(".state"),
           halt: coming.querySelector(".stop") };
}

// The events of a stream as [kind, text].
async function* events(body) {
  const reader = body.getReader(), decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    rest += decoder.decode(value, { stream: !done });
    const whole = rest.split("\n\n");
    rest = whole.pop();
    for (const one of whole) {
      const [kind, data] = one.split("\n");
      yield [kind.slice("event: ".length), JSON.parse(data.slice("data: ".length))];
    }
    if (done) return;
  }
}

async function answer(form) {
  const shown = parts(), fields = new URLSearchParams(new FormData(form));
  stop = new AbortController();
  shown.asked.textContent = fields.get("question");
  shown.said.textContent = "";
  shown.state.textContent = "Thinking";
  shown.halt.hidden = false;
  shown.coming.hidden = false;
  let complete = false;
  try {
    const reply = await fetch("/ask", { method: "POST", body: fields, headers: { Accept: "text/event-stream" }, signal: stop.signal });
    if (!(reply.headers.get("content-type") || "").startsWith("text/event-stream")) {
      const page = new DOMParser().parseFromString(await reply.text(), "text/html");
      const why = page.querySelector("main [role=alert], main .empty");
      shown.state.textContent = why ? why.textContent : "Not answered: load the page again";
      return;
    }
    for await (const [kind, text] of events(reply.body)) {
      if (kind === "looking") shown.state.textContent = `Looking: ${text}`;
      if (kind === "piece") shown.said.append(text);
      if (kind === "withdrawn") { shown.said.textContent = ""; shown.state.textContent = `Taken back: ${text}`; }
      if (kind === "ended") complete = true;
    }
    if (!complete) { shown.said.textContent = ""; shown.state.textContent = "The connection ended before the answer was complete: load the page again"; }
  } catch (failure) {
    shown.said.textContent = "";
    shown.state.textContent = failure.name === "AbortError" ? "Stopped" : "The server cannot be reached: ask again";
  } finally {
    stop = null;
    shown.halt.hidden = true;
  }
  if (!complete) return;
  document.addEventListener("htmx:after:settle", () => {
    const latest = document.getElementById("latest");
    if (latest) latest.focus({ preventScroll: true });
  }, { once: true });
  htmx.trigger("#content", "live");
}

document.addEventListener("submit", (event) => {
  if (!event.target.matches("form.ask")) return;
  event.preventDefault();
  if (stop === null) answer(event.target);
});
document.addEventListener("click", (event) => {
  if (stop !== null && event.target.matches("#coming .stop")) stop.abort();
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.matches("form.ask textarea")) event.target.form.requestSubmit();
});
})();
