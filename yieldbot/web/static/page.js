"use strict";
// Writes figures and times in the viewer's locale and zone, once they are in the page.
const locale = navigator.languages;

function written(root) {
  for (const one of root.querySelectorAll("data.n:not([data-written])")) {
    const digits = Number(one.dataset.digits), percent = "percent" in one.dataset;
    const form = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    if (percent) form.style = "percent";
    one.textContent = new Intl.NumberFormat(locale, form).format(Number(one.value));
    one.dataset.written = "";
  }
  for (const one of root.querySelectorAll("time:not([data-written])")) {
    const at = new Date(one.dateTime);
    one.title = at.toISOString();
    one.textContent = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" }).format(at);
    one.dataset.written = "";
  }
}

written(document);
new MutationObserver((changes) => changes.some((one) => one.addedNodes.length) && written(document))
  .observe(document.body, { childList: true, subtree: true });
