"use strict";
// Writes figures and times in the viewer's locale and zone, keeps what is shown up to date, and draws charts that answer
// to the pointer. Pages work without it.
const locale = navigator.languages;
const formats = new Map();

function form(kind, options) {
  const key = kind + JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl[kind](locale, options));
  return formats.get(key);
}

function figure(value, data) {
  const options = "compact" in data
    ? { notation: "compact", maximumSignificantDigits: 3 }
    : { minimumFractionDigits: Number(data.digits), maximumFractionDigits: Number(data.digits) };
  if ("percent" in data) options.style = "percent";
  if ("signed" in data) options.signDisplay = "exceptZero";
  return form("NumberFormat", options).format(value);
}

function ago(at) {
  const past = (at - Date.now()) / 1000;
  for (const [unit, length] of [["day", 86400], ["hour", 3600], ["minute", 60]])
    if (Math.abs(past) >= length) return form("RelativeTimeFormat", { numeric: "auto" }).format(Math.trunc(past / length), unit);
  return form("RelativeTimeFormat", { numeric: "auto" }).format(0, "minute");
}

function moment(at, shape) {
  if (shape === "ago") return ago(at);
  const options = shape === "day" ? { dateStyle: "medium" } : { dateStyle: "medium", timeStyle: "short" };
  return form("DateTimeFormat", options).format(at);
}

function written(root) {
  for (const one of root.querySelectorAll("data.n:not([data-written])")) {
    one.textContent = figure(Number(one.value), one.dataset);
    one.dataset.written = "";
  }
  for (const one of root.querySelectorAll("time:not([data-written])")) {
    const at = new Date(one.dateTime);
    one.title = form("DateTimeFormat", { dateStyle: "full", timeStyle: "long" }).format(at);
    one.textContent = moment(at, one.dataset.form);
    one.dataset.written = "";
  }
}

written(document);
new MutationObserver((changes) => {
  for (const change of changes)
    for (const node of change.addedNodes) if (node.nodeType === 1) written(node.parentNode || node);
}).observe(document.body, { childList: true, subtree: true });
setInterval(() => {
  for (const one of document.querySelectorAll('time[data-form="ago"]')) one.textContent = ago(new Date(one.dateTime));
}, 30000);
