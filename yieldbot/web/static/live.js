"use strict";
(() => {
// What is shown stays up to date: the server says when something has changed, and the page loads its content again,
// unless somebody is writing in it, has marked text or has loaded further rows. A lost connection is named and tried again.
const live = document.getElementById("live");
const RETRY = 5000, SILENT = 45000;
let source = null, waiting = false, heard = false, timer = 0, retry = 0, heardAt = 0, refused = 0;

// Whether somebody may be writing in a form of the page, or has just pressed its button.
function filledIn() {
  return [...document.querySelectorAll("#content form[method=post]")].some((form) =>
    form.matches("[aria-busy]") || form.querySelector("input:not([type=hidden]), textarea, select"));
}

function busy() {
  const content = document.getElementById("content"), active = document.activeElement;
  return filledIn() || content.contains(active) && active.matches("input:not([type=checkbox]), textarea")
    || (!getSelection().isCollapsed && content.contains(getSelection().anchorNode))
    || document.querySelectorAll("#content tbody").length > 2 && scrollY > innerHeight;
}

// What tells something that may have the focus from all else in the content; null: it is not in it.
function named(one) {
  if (!one?.closest("#content")) return null;
  return one.id || [one.tagName, one.getAttribute("href") || one.form?.action || one.getAttribute("aria-label"), one.textContent.trim().slice(0, 60)].join(" ");
}

function refreshed() {
  htmx.trigger(document.body, "changed");  // what follows one thing alone, such as a plan's progress
  if (document.getElementById("progress")) { state("on", "Live"); return; }
  waiting = busy();
  if (waiting) { state("on", "New figures are there", ["show them", shown]); return; }
  const open = [...document.querySelectorAll("#content details")].map((one) => one.open), focused = named(document.activeElement);
  document.addEventListener("htmx:after:settle", () => {
    document.querySelectorAll("#content details").forEach((one, at) => { if (open[at]) one.open = true; });
    const same = focused && [...document.querySelectorAll("#content a, #content button, #content summary, #content [tabindex]")].find((one) => named(one) === focused);
    if (same && document.activeElement === document.body) same.focus({ preventScroll: true });  // where the keyboard was, it stays
  }, { once: true });
  htmx.trigger("#content", "live");
  state("on", "Live");
}

function shown() {
  if (filledIn()) { location.reload(); return; }
  waiting = false;
  scrollTo(0, 0);
  htmx.trigger("#content", "live");
  state("on", "Live");
}

// offer: [words, work] of a button, or [words, address] of a link.
function state(name, words, offer) {
  if (live.dataset.words === words) return;  // said once to those who listen
  live.dataset.words = words;
  live.className = `live ${name}`;
  live.textContent = words;
  if (!offer) return;
  const [text, does] = offer;
  const one = document.createElement(typeof does === "string" ? "a" : "button");
  one.textContent = text;
  if (typeof does === "string") one.href = does;
  else { one.className = "link"; one.addEventListener("click", does); }
  live.append(" ", one);
}

const NONE = "No connection: trying again. What is shown may be old";
const GONE = "You are signed out";

function listen() {
  clearTimeout(retry);
  if (source || document.hidden) return;
  source = new EventSource("/live");
  heardAt = Date.now();
  source.addEventListener("hello", () => {
    heardAt = Date.now();
    refused = 0;
    state("on", "Live");
    if (heard) refreshed();  // what happened meanwhile was not heard
    else htmx.trigger(document.body, "changed");  // nor what happened while the page was on its way
    heard = true;
  });
  source.addEventListener("alive", () => { heardAt = Date.now(); });
  source.addEventListener("changed", () => { heardAt = Date.now(); clearTimeout(timer); timer = setTimeout(refreshed, 400); });
  source.addEventListener("error", lost);
}

function unheard() {
  if (source) source.close();
  source = null;
  clearTimeout(retry);
}

// Why nothing is heard; it is tried again until something is.
async function lost() {
  unheard();
  const found = await asked();
  if (source || document.hidden) return;
  if (found === null) state("off", NONE);
  else if (!found.name) state("off", GONE, ["Sign in again", signIn()]);
  else if (refused++) {  // a stream that has ended is opened again without a word
    state("off", "Not live: the server is busy. Trying again");
    htmx.trigger(document.body, "changed");  // what follows one thing alone asks for it meanwhile
  }
  retry = setTimeout(listen, found && found.name && refused === 1 ? 1000 : RETRY);
}

function signIn() {
  return `/sign-in?then=${encodeURIComponent(location.pathname + location.search)}`;
}

// Whose session this is, as the server says; null: it cannot be reached, or has no answer now.
async function asked() {
  try {
    const answer = await fetch("/session", { cache: "no-store", signal: AbortSignal.timeout(15000) });
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

if (live) {
  listen();
  document.addEventListener("visibilitychange", () => { if (document.hidden) unheard(); else listen(); });
  addEventListener("pagehide", unheard);
  addEventListener("pageshow", (event) => { if (event.persisted) { heard = true; listen(); } });
  addEventListener("offline", () => { unheard(); state("off", NONE); retry = setTimeout(listen, RETRY); });
  addEventListener("online", () => { unheard(); listen(); });
  setInterval(() => { if (source && Date.now() - heardAt > SILENT) lost(); }, 5000);  // a line that broke without a word
  document.addEventListener("focusout", () => { if (waiting) setTimeout(() => busy() || refreshed(), 200); });
}

// A form is sent once, and only while the server can be reached and the person is signed in, so that nothing written in it
// is lost. After signing in again elsewhere the same page goes on.
function said(form, words, link) {
  let place = form.querySelector(".not-sent");
  if (!place) {
    place = document.createElement("p");
    place.className = "alert not-sent";
    place.setAttribute("role", "alert");
    form.prepend(place);
  }
  place.hidden = !words;
  place.textContent = words;
  if (!link) return;
  const one = document.createElement("a");
  one.href = link; one.target = "_blank"; one.textContent = "Sign in in another tab";
  place.append(" ", one);
}

// Whether a form of this page can be sent now; if not, the form says why.
async function ready(form) {
  const found = await asked();
  if (found === null) { said(form, "No connection: nothing was sent. What you wrote is still here; try again when it is back."); return false; }
  const token = form.querySelector("input[name=token]");
  if (!found.name && token) { said(form, "You are signed out, and nothing was sent. What you wrote is still here: sign in in another tab, then press the button again.", signIn()); return false; }
  if (token) {
    if (found.name !== document.body.dataset.as) { said(form, `You are signed in as ${found.name} now, and nothing was sent: load the page again.`); return false; }
    for (const one of document.querySelectorAll("input[name=token]")) one.value = found.token;
  }
  said(form, "");
  return true;
}

const sending = new WeakSet();

// Send a form once; a second press does nothing until the page comes back.
async function send(form, button) {
  if (sending.has(form)) return false;
  sending.add(form);
  form.setAttribute("aria-busy", "true");
  const can = await ready(form);
  if (can) {
    if (button && button.name) { const one = document.createElement("input"); one.type = "hidden"; one.name = button.name; one.value = button.value; form.append(one); }
    HTMLFormElement.prototype.submit.call(form);
    setTimeout(() => freed(form), 15000);  // the answer does not come: it may be tried again
  } else freed(form);
  return can;
}

function freed(form) {
  sending.delete(form);
  form.removeAttribute("aria-busy");
}

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.matches("form.ask")) return;
  event.preventDefault();
  send(form, event.submitter);
});
addEventListener("pageshow", (event) => {
  if (event.persisted) for (const one of document.querySelectorAll("form[aria-busy]")) freed(one);
});
window.yieldbot = { ready, send };
})();
