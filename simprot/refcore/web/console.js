// The agent's console: it shows what GET /events tells and posts what the agent does.
"use strict";

const $ = (id) => document.getElementById(id);
const chats = new Map(); // id -> summary
let current = ""; // id of the chat shown
let shown = { version: "", ids: new Set() }; // what the log shows of it
let typingSent = 0; // when "typing" was last posted; 0 = not typing
const lapses = new Map(); // id -> timer that ends the customer's typing mark

const models = { 2: "Tech note", 4: "Panel", 6: "Page", 8: "Co-browsing" };
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

function when(text) {
  if (!text) return "";
  const t = new Date(text);
  return (t.toDateString() === new Date().toDateString() ? clock : day).format(t);
}

// el makes an element; text is always set as text, never parsed.
function el(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

async function post(path, body) {
  const r = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
  });
  const answer = await r.json();
  if (!r.ok) throw new Error(answer.error || r.statusText);
  return answer;
}

// act posts and shows a failure instead of throwing it.
async function act(path, body) {
  try {
    await post(path, body);
    $("error").textContent = "";
    return true;
  } catch (e) {
    $("error").textContent = e.message;
    return false;
  }
}

const title = (c) => c.party_name || c.remote_address || c.tracking_id || "Prepared chat";
const isOpen = () => current && chats.has(current) && !chats.get(current).closed;

// ---- the list

function drawList() {
  const withClosed = $("show-closed").checked;
  const sorted = [...chats.values()]
    .filter((c) => withClosed || !c.closed || c.id === current)
    .sort((a, b) => a.closed - b.closed || b.updated.localeCompare(a.updated))
    .slice(0, 200);
  const list = $("chats");
  const focused = document.activeElement?.dataset?.chat;
  list.replaceChildren(...sorted.map(drawItem));
  if (focused) list.querySelector(`[data-chat="${focused}"]`)?.focus();
  $("no-chats").hidden = sorted.length > 0;
  const unread = sorted.reduce((n, c) => n + c.unread, 0);
  document.title = (unread ? `(${unread}) ` : "") + "Agent's console";
}

function drawItem(c) {
  const b = el("button", "item" + (c.closed ? " closed" : "") + (c.unread ? " unread" : ""));
  b.type = "button";
  b.dataset.chat = c.id;
  if (c.id === current) b.setAttribute("aria-current", "true");
  const first = el("span", "row");
  first.append(el("span", "name", title(c)), el("time", "muted", when(c.updated)));
  const second = el("span", "row");
  let preview = c.last ? (c.last.outbound ? "You: " : "") + c.last.text : "No messages";
  if (c.typing_ms) preview = "is typing …";
  second.append(el("span", "preview" + (c.typing_ms ? " live" : ""), preview));
  if (c.unread) {
    const n = el("span", "count", String(c.unread));
    n.append(el("span", "hidden", " unread"));
    second.append(n);
  }
  const third = el("span", "row");
  third.append(statusBadge(c), el("span", "muted port", c.port));
  b.append(first, second, third);
  b.addEventListener("click", () => choose(c.id));
  const li = el("li");
  li.append(b);
  return li;
}

function statusBadge(c) {
  return el("span", `badge ${c.closed ? "gone" : c.status === "Answered" ? "on" : "wait"}`, statusText(c));
}

function statusText(c) {
  return { ClosedByAgent: "Closed by agent", ClosedByExtApp: "Closed by customer" }[c.status] || c.status;
}

// Arrow keys walk through the list.
$("chats").addEventListener("keydown", (e) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
  if (!step) return;
  const all = [...$("chats").querySelectorAll("button")];
  all[all.indexOf(document.activeElement) + step]?.focus();
  e.preventDefault();
});

$("show-closed").addEventListener("change", drawList);

// ---- the conversation

// The chat shown is named in the address, so that a reload or a link finds it.
function choose(id) {
  stopTyping();
  current = id;
  history.replaceState(null, "", "#" + id);
  shown = { version: "", ids: new Set() };
  $("log").replaceChildren();
  $("error").textContent = "";
  drawList();
  refresh().then(() => $(isOpen() ? "text" : "log").focus());
}

let loading = false;
let again = false;

// refresh loads the chat shown; calls during a load make one more.
async function refresh() {
  if (loading) {
    again = true;
    return;
  }
  loading = true;
  try {
    do {
      again = false;
      const id = current;
      const r = await fetch(`api/chats/${id}?last=300`);
      const c = await r.json();
      if (id !== current) again = true;
      else if (r.ok) drawChat(c);
      else $("error").textContent = c.error;
    } while (again);
  } catch (e) {
    $("error").textContent = e.message;
  } finally {
    loading = false;
  }
}

function drawChat(c) {
  $("no-chat").hidden = true;
  $("chat").hidden = false;
  $("who").textContent = title(c);
  $("where").textContent = [c.port, c.tracking_id, c.remote_address].filter(Boolean).join(" · ");
  const badge = statusBadge(c);
  $("status").className = badge.className;
  $("status").textContent = badge.textContent;
  $("answer").hidden = c.closed || c.status === "Answered";
  $("close").hidden = c.closed;
  $("composer").hidden = c.closed;
  drawTyping(c);
  drawLimits(c);
  drawLog(c);
  if (c.unread && document.visibilityState === "visible") act("api/read", { chat: c.id });
}

function drawTyping(c) {
  $("typing").textContent = c.typing_ms ? `${title(c)} is typing …` : "";
}

// drawLimits says what the customer's network can show, and until when it takes
// answers: what the gateway told of the Port and of the latest message.
function drawLimits(c) {
  const m = c.manifest;
  let shows = "";
  if (m) {
    const can = [m.Files && "files", m.Buttons && `up to ${m.Buttons} buttons`, m.Replies && "replies", m.Templates && "templates"];
    const limit = m.TextLimit ? `, ${m.TextLimit} ${units[m.TextUnit] || m.TextUnit} a message` : "";
    shows = `${m.Network} shows ${can.filter(Boolean).join(", ") || "text only"}${limit}. `;
  }
  const over = Boolean(c.reply_until) && new Date(c.reply_until) <= new Date();
  const until = el("span", over ? "over" : "");
  if (c.reply_until) until.textContent = over ? closedWindow(m) : `Answers are taken until ${when(c.reply_until)}.`;
  $("limits").replaceChildren(shows, until);
}

const units = { characters: "characters", utf16: "characters", bytes: "bytes", segments: "short messages" };

function closedWindow(m) {
  if (m?.LateWindow) return `The reply window is closed; your own words are taken until ${Math.round(m.LateWindow / 86400)} days after the customer's last.`;
  if (m?.Templates) return "The reply window is closed: send a template.";
  return "The reply window is closed until the customer writes again.";
}

// drawLog adds what is new and redraws what changed, so that a screen reader
// hears new messages only.
function drawLog(c) {
  const log = $("log");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  const notes = new Map(c.sentences.filter((s) => s.model === 2).map((s) => [s.id, s]));
  const lines = new Map([...log.children].map((e) => [e.dataset.counter, e]));
  let grown = false;
  for (const s of c.sentences) {
    const mark = deliveryMark(s, notes);
    const key = String(s.counter);
    const old = lines.get(key);
    lines.delete(key);
    if (old && old.dataset.mark === mark) continue;
    const line = drawSentence(s, mark);
    if (old) old.replaceWith(line);
    else {
      log.append(line);
      grown = true;
    }
  }
  for (const left of lines.values()) left.remove();
  if (grown && (atEnd || shown.version === "")) log.scrollTop = log.scrollHeight;
  shown.version = c.updated;
}

function deliveryMark(s, notes) {
  if (!s.outbound) return "";
  const givenUp = notes.get("note:failed:" + s.id); // after the network had taken it
  if (s.confirmed && !(givenUp && new Date(givenUp.sent) > new Date(s.confirmed))) return "delivered " + when(s.confirmed);
  if (givenUp || notes.has("note:" + s.id)) return "not delivered";
  return "on its way";
}

function drawSentence(s, mark) {
  const kind = models[s.model] ? "note" : s.outbound ? "mine" : "theirs";
  const line = el("article", "line " + kind);
  line.dataset.counter = s.counter;
  line.dataset.mark = mark;
  const head = el("p", "meta");
  head.append(el("span", "from", models[s.model] || (s.outbound ? s.party_name || "Agent" : s.party_name || "Customer")));
  const t = el("time", "", when(s.sent));
  if (s.sent) t.dateTime = s.sent;
  head.append(t);
  line.append(head, drawText(s.text));
  if (mark) {
    const word = mark.startsWith("delivered") ? "ok" : mark === "not delivered" ? "bad" : "wait";
    line.append(el("p", "mark " + word, mark));
  }
  return line;
}

const address = /https?:\/\/[^\s<>"]*[^\s<>".,:;!?)\]|]/g;

// drawText makes addresses in a text links and, below it, shows the picture of
// a line "file:image...|id|address" where the page may load it.
function drawText(text) {
  const p = el("p", "text");
  let at = 0;
  for (const found of text.matchAll(address)) {
    const a = el("a", "", found[0]);
    a.href = found[0];
    a.target = "_blank";
    a.rel = "noopener noreferrer";
    p.append(text.slice(at, found.index), a);
    at = found.index + found[0].length;
  }
  p.append(text.slice(at));
  const picture = /^file:(?:image|photo)[^|]*\|[^|]*\|(https?:\/\/\S+)/m.exec(text);
  if (!picture) return p;
  const img = el("img", "picture");
  img.src = picture[1];
  img.alt = "the picture sent";
  img.addEventListener("error", () => img.remove());
  img.addEventListener("load", () => p.closest(".log")?.dispatchEvent(new Event("grown")));
  const box = el("div", "");
  box.append(p, img);
  return box;
}

// A picture comes later than its line: the end of the log stays in sight.
$("log").addEventListener("grown", () => {
  const log = $("log");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 400) log.scrollTop = log.scrollHeight;
});

// ---- what the agent does

$("composer").addEventListener("submit", async (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  if (!text || !current) return;
  stopTyping();
  $("text").value = "";
  if (!(await act("api/say", { chat: current, text }))) $("text").value = text;
  $("text").focus();
});

$("text").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("composer").requestSubmit();
  }
});

// The mark lapses at the other side after 30 s, so it is said again before.
$("text").addEventListener("input", () => {
  if (!$("text").value) return stopTyping();
  if (Date.now() - typingSent < 20000) return;
  typingSent = Date.now();
  act("api/typing", { chat: current, on: true });
});
$("text").addEventListener("blur", stopTyping);

function stopTyping() {
  if (!typingSent) return;
  typingSent = 0;
  if (isOpen()) act("api/typing", { chat: current, on: false });
}

$("answer").addEventListener("click", () => act("api/answer", { chat: current }));
$("close").addEventListener("click", () => act("api/close", { chat: current }));
$("drop").addEventListener("click", () => act("api/drop", {}));
$("signal").addEventListener("change", () => act("api/signal", { signal: $("signal").value }));
document.addEventListener("visibilitychange", () => current && refresh());

// ---- what the core tells

function take(u) {
  if (u.all) chats.clear();
  for (const c of u.chats) {
    chats.set(c.id, c);
    clearTimeout(lapses.get(c.id));
    if (c.typing_ms) lapses.set(c.id, setTimeout(() => lapse(c.id), c.typing_ms));
  }
  drawList();
  if (!current && u.all && chats.has(location.hash.slice(1))) choose(location.hash.slice(1));
  if (current && !chats.has(current)) {
    current = "";
    $("chat").hidden = true;
    $("no-chat").hidden = false;
  }
  if (current && u.chats.some((c) => c.id === current)) refresh();
  $("signal").value = u.signal.signal;
  $("n-connections").textContent = u.stats.connections;
  $("n-taken").textContent = u.stats.taken;
  $("n-said").textContent = u.stats.said;
  $("link").dataset.state = u.stats.connections ? "on" : "off";
  $("link-text").textContent = u.stats.connections
    ? `${u.stats.connections} gateway${u.stats.connections > 1 ? "s" : ""} connected`
    : "no gateway connected";
  drawOffences(u.offences);
}

function lapse(id) {
  const c = chats.get(id);
  if (!c) return;
  c.typing_ms = 0;
  drawList();
  if (id === current) drawTyping(c);
}

function drawOffences(report) {
  const names = Object.keys(report.total).sort((a, b) => report.total[b] - report.total[a]);
  const total = names.reduce((n, name) => n + report.total[name], 0);
  $("n-offences").textContent = total;
  $("n-offences").dataset.bad = total > 0;
  $("no-offences").hidden = total > 0;
  $("offences").replaceChildren(
    ...names.map((name) => {
      const li = el("li");
      const row = el("p", "row");
      row.append(el("span", "", name.replaceAll("_", " ")), el("span", "count", String(report.total[name])));
      li.append(row, el("p", "muted where", report.last[name]));
      return li;
    }),
  );
}

const events = new EventSource("events");
events.onmessage = (e) => take(JSON.parse(e.data));
events.onerror = () => {
  $("link").dataset.state = "off";
  $("link-text").textContent = "the core is away";
};
