// Keeps the page fresh: every 5 s its #live part is fetched and put in the place
// of the old one. Not while the tab is hidden, nor while a form is in use.
"use strict";

const every = 5000;
const live = document.getElementById("live");
const news = document.getElementById("news");
const fresh = document.getElementById("fresh");
let before = live.innerHTML;
let running = false;

// inUse: what is typed, ticked or opened must not vanish under the operator's hands.
function inUse() {
  const at = document.activeElement;
  return Boolean(at && at.closest("form")) || Boolean(live.querySelector("input[type=checkbox]:checked"))
    || String(document.getSelection()) !== "";
}

// mark finds a link again in the new page, so that the focus stays where it was.
function mark() {
  const at = document.activeElement;
  return at && live.contains(at) && at.matches("a[href]") ? at.getAttribute("href") : "";
}

const verdict = () => live.querySelector("#verdict")?.textContent.trim() ?? "";

async function refresh() {
  if (running || document.hidden) return;
  if (inUse()) {
    fresh.textContent = fresh.dataset.off;
    return;
  }
  running = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Fragment": "live" }, cache: "no-store", signal: AbortSignal.timeout(15000) });
    if (answer.status === 401) {
      location.reload();
      return;
    }
    const html = await answer.text();
    if (!answer.ok) throw new Error(answer.status);
    if (!inUse() && html !== before) {
      const said = verdict(), at = mark();
      live.innerHTML = html;
      before = html;
      if (verdict() !== said) news.textContent = verdict();
      if (at) live.querySelector(`a[href="${CSS.escape(at)}"]`)?.focus({ preventScroll: true });
    }
    fresh.textContent = "As of " + new Date().toISOString().slice(11, 19) + ".";
  } catch {
    fresh.textContent = "The gateway does not answer; this is what it said last.";
    news.textContent = "The gateway does not answer.";
  } finally {
    running = false;
  }
}

if (document.body.hasAttribute("data-live")) {
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", refresh);
}
