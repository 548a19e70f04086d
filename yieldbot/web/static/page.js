"use strict";
// Writes figures and times in the viewer's locale and zone, and draws charts that answer to the pointer. Pages work without
// it.
(() => {
const locale = navigator.languages;
const formats = new Map();
const MINUS = known("negative") ? "negative" : "auto";  // no minus before a zero, which a small loss may be rounded to

function known(sign) {
  try { return Boolean(new Intl.NumberFormat("en", { signDisplay: sign })); } catch { return false; }
}

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
  options.signDisplay = "signed" in data ? "exceptZero" : MINUS;
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
  const near = Math.abs(at - Date.now()) < 300 * 86400000;
  const day = { day: "numeric", month: "short", year: near ? undefined : "numeric" };
  const options = shape === "day" ? day : { dateStyle: "medium", timeStyle: "short" };
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

// Charts: the drawing of the server is replaced by one of the same size and scale, which shows values at the pointer.
const plots = new Set();

function plotted(figureElement) {
  const data = JSON.parse(figureElement.dataset.plot), box = figureElement.querySelector(".drawing");
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(`--${name}`).trim();
  const series = [{}], columns = [data.x], bands = [], shown = [];
  for (const line of data.lines) {
    const dash = line.kind === "ahead" ? [5, 4] : undefined;
    shown.push([line, columns.length]);
    series.push({ stroke: colour(line.kind), width: line.kind === "two" ? 1.5 : 2, dash, points: { show: false } });
    columns.push(line.y);
    if (line.low.length) {
      bands.push({ series: [series.length, series.length + 1], fill: colour("band") });
      for (const side of [line.high, line.low]) {
        series.push({ stroke: "transparent", width: 0, points: { show: false } });
        columns.push(side);
      }
    }
  }
  const readout = document.createElement("div");
  readout.className = "readout";
  readout.setAttribute("aria-hidden", "true");
  const unit = data.unit === "percent" ? { digits: 2, percent: "" } : { digits: 2 };
  const place = (x) => data.along === "time" ? moment(new Date(x * 1000), "both") : `${figure(x, { digits: 2 })} ${data.symbol}`;
  const last = data.x.length - 1;
  const plot = new uPlot({
    width: box.clientWidth, height: box.clientHeight, padding: [0, 0, 0, 0], series, bands,
    legend: { show: false },
    scales: {
      x: { time: false, range: [data.x[0], data.x[last]] },
      y: { range: [data.ticks[0], data.ticks[data.ticks.length - 1]] },
    },
    axes: [
      { size: 0, values: () => [], grid: { show: false }, ticks: { show: false } },
      { size: 0, values: () => [], splits: () => data.ticks, grid: { stroke: colour("line"), width: 1 }, ticks: { show: false } },
    ],
    cursor: { y: false, drag: { x: false, y: false }, points: { size: 7 } },
    hooks: {
      setCursor: [(u) => {
        const at = u.cursor.idx;
        const values = at == null ? [] : shown.filter(([, column]) => columns[column][at] != null);
        readout.hidden = !values.length;
        readout.textContent = values.length
          ? [place(data.x[at]), ...values.map(([line, column]) => `${line.name.split(",")[0]}: ${figure(columns[column][at], unit)}`)].join("\n") : "";
        readout.classList.toggle("at-end", u.cursor.left < u.width / 2);
      }],
      draw: [(u) => {
        for (const mark of data.marks) {
          u.ctx.beginPath();
          u.ctx.fillStyle = colour("ink");
          u.ctx.arc(u.valToPos(mark.x, "x", true), u.valToPos(mark.y, "y", true), 5 * devicePixelRatio, 0, 7);
          u.ctx.fill();
        }
      }],
    },
  }, columns, box);
  const drawing = box.querySelector("svg");
  drawing.hidden = true;
  drawing.style.display = "none";
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", drawing.getAttribute("aria-label"));
  box.append(readout);
  readout.hidden = true;
  const sized = new ResizeObserver(() => plot.setSize({ width: box.clientWidth, height: box.clientHeight }));
  sized.observe(box);
  plots.add({ figureElement, box, drawing, end: () => { sized.disconnect(); plot.destroy(); readout.remove(); } });
}

function charts() {
  for (const one of plots) if (!one.box.isConnected) { one.end(); plots.delete(one); }
  if (typeof uPlot !== "function") return;
  for (const one of document.querySelectorAll(".chart[data-plot]:not([data-written])")) {
    one.dataset.written = "";
    plotted(one);
  }
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  for (const one of plots) { one.end(); delete one.figureElement.dataset.written; }
  plots.clear();
  charts();
});

const here = document.querySelector("header nav [aria-current]");
if (here) here.parentElement.scrollLeft = here.offsetLeft - here.parentElement.clientWidth / 2 + here.offsetWidth / 2;  // on a phone

written(document);
charts();
new MutationObserver((changes) => {
  let added = false;
  for (const change of changes)
    for (const node of change.addedNodes) if (node.nodeType === 1) { written(node.parentNode || node); added = true; }
  if (added) charts();
}).observe(document.body, { childList: true, subtree: true });
setInterval(() => {
  for (const one of document.querySelectorAll('time[data-form="ago"]')) one.textContent = ago(new Date(one.dateTime));
}, 30000);
})();
