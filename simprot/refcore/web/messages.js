// The core's messages: it lists what GET /api/messages tells, whenever GET /events says
// that something changed, and posts what the agent writes.
"use strict";

const $ = (id) => document.getElementById(id);
let messages = []; // without their bodies, in the order they came
let gateways = []; // the register, as the core has it
let current = ""; // the thread shown
let answered = null; // the message that is being answered

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });

function when(text) {
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

function button(className, text, onClick) {
  const b = el("button", className, text);
  b.type = "button";
  b.addEventListener("click", onClick);
  return b;
}

async function call(path, method = "GET", body) {
  const r = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const answer = await r.json();
  if (!r.ok) throw new Error(answer.error || r.statusText);
  return answer;
}

// act does what the agent asks for and shows a failure instead of throwing it.
async function act(...args) {
  try {
    const answer = await call(...args);
    $("error").textContent = "";
    return answer;
  } catch (e) {
    $("error").textContent = e.message;
    return null;
  }
}

const outbound = (m) => m.content.Direction === "O";
const gatewayOf = (m) => gateways.find((g) => g.Id === m.content.GatewayId);

// fields are the gateway's own, beside the protocol's.
function fields(m) {
  try {
    return JSON.parse(m.content.ExtendedFields || "{}") || {};
  } catch {
    return {};
  }
}

// ---- the threads

// drawFilter offers the gateways that messages went by, where there are several.
function drawFilter() {
  const used = [...new Set(messages.map((m) => m.content.GatewayId))];
  const chosen = used.includes($("by").value) ? $("by").value : "";
  const offered = [["", "all gateways"], ...used.map((id) => [id, gateways.find((g) => g.Id === id)?.DisplayName || id])];
  $("by").replaceChildren(...offered.map(([id, name]) => {
    const o = el("option", "", name);
    o.value = id;
    return o;
  }));
  $("by").value = chosen;
  $("by-line").hidden = used.length < 2;
}

$("by").addEventListener("change", () => drawThreads());

function drawThreads() {
  drawFilter();
  const by = $("by").value;
  const threads = Map.groupBy(messages, (m) => m.thread);
  const list = [...threads].filter(([, of]) => !by || of.some((m) => m.content.GatewayId === by)).sort(([, a], [, b]) => b.at(-1).at.localeCompare(a.at(-1).at)).slice(0, 200);
  const focused = document.activeElement?.dataset?.thread;
  $("threads").replaceChildren(...list.map(([id, of]) => {
    const last = of.at(-1);
    const b = button("item", "", () => choose(id));
    b.dataset.thread = id;
    if (id === current) b.setAttribute("aria-current", "true");
    const first = el("span", "row");
    first.append(el("span", "name", of[0].content.SubjectField || "(no subject)"), el("time", "muted", when(last.at)));
    const second = el("span", "row");
    second.append(el("span", "preview", (outbound(last) ? "To " : "From ") + last.content.RemoteAddress), el("span", "muted", String(of.length)));
    b.append(first, second);
    const li = el("li");
    li.append(b);
    return li;
  }));
  if (focused) $("threads").querySelector(`[data-thread="${focused}"]`)?.focus();
  $("no-threads").hidden = list.length > 0;
}

// The thread shown is named in the address, so that a reload or a link finds it.
function choose(id) {
  current = id;
  history.replaceState(null, "", "#" + id);
  $("log").replaceChildren();
  finish();
  drawThreads();
  drawThread();
}

// ---- one thread

async function drawThread() {
  $("log").hidden = $("thread-head").hidden = !current;
  $("no-thread").hidden = Boolean(current) || !$("letter").hidden;
  if (!current) return;
  const id = current;
  const all = await act("api/messages?full&thread=" + encodeURIComponent(id));
  if (!all || id !== current) return;
  $("subject-shown").textContent = all[0]?.content.SubjectField || "(no subject)";
  const log = $("log");
  const lines = new Map([...log.children].map((e) => [e.dataset.id, e]));
  for (const m of all) {
    const look = [m.state, m.error, m.sends, m.repeats].join("|");
    const old = lines.get(m.id);
    if (old?.dataset.look === look) continue;
    const line = drawMessage(m);
    line.dataset.id = m.id;
    line.dataset.look = look;
    if (old) old.replaceWith(line);
    else {
      log.append(line);
      log.scrollTop = log.scrollHeight;
    }
  }
}

function drawMessage(m) {
  const { content: c } = m;
  const line = el("article", "line " + (outbound(m) ? "mine" : "theirs"));
  if (m.state) line.dataset.state = m.state;
  const head = el("p", "meta");
  const t = el("time", "", when(m.at));
  t.dateTime = m.at;
  head.append(el("span", "from", outbound(m) ? "To " + c.RemoteAddress : c.FromField || c.RemoteAddress), t);
  line.append(head, el("p", "muted", c.SubjectField || "(no subject)"));
  if (c.BodyText) line.append(linked(c.BodyText));
  if (c.BodyHtml) {
    // Nothing of it runs, and nothing that it names is fetched.
    const frame = el("iframe", "html");
    frame.sandbox = "";
    frame.title = "The message's HTML";
    frame.srcdoc = c.BodyHtml;
    line.append(frame);
  }
  line.append(facts(m), ids(m));
  return line;
}

// ids is what names a message, and whom it is shown to be for.
function ids(m) {
  const { content: c } = m;
  const details = el("details", "ids");
  details.append(el("summary", "", "Details"));
  for (const [name, value] of [
    ["To", c.ToField], ["Cc", c.ToCcField], ["Bcc", c.ToBccField], ["Recipients", outbound(m) && c.ExtendedFields],
    ["MessageId", m.id], ["DeliverySystemId", c.DeliverySystemId], ["InReplyToId", c.InReplyToId], ["RequestId", c.RequestId],
  ]) {
    if (value) details.append(el("p", "", `${name}: ${value}`));
  }
  return details;
}

// A gateway has 90 s for its answer (SPEC.md 13.3).
const limit = 90;

function tick(waits) {
  const s = Math.max(0, Math.round((Date.now() - new Date(waits.dataset.since)) / 1000));
  waits.textContent = `no answer for ${s} s of ${limit}`;
}
setInterval(() => document.querySelectorAll("[data-since]").forEach(tick), 1000);

const address = /https?:\/\/[^\s<>"]*[^\s<>".,:;!?)\]|]/g;

// linked is a text in which addresses can be followed.
function linked(text) {
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
  p.append(text.slice(at).trimEnd());
  return p;
}

// facts say what the gateway told of a message, and what became of one that went out.
function facts(m) {
  const line = el("div", "facts");
  const { Auto, Problem, Report } = fields(m);
  line.append(el("span", "", gatewayOf(m)?.DisplayName || "gateway " + m.content.GatewayId));
  if (m.state) line.append(el("span", m.state === "failed" ? "bad" : "state", m.state + (m.error ? ": " + m.error : "")));
  if (m.state === "sending" && m.sent) {
    const waits = el("span", "wait");
    waits.dataset.since = m.sent;
    waits.ariaLive = "off"; // it counts; nobody wants that read out
    tick(waits);
    line.append(waits);
  }
  if (m.sends > 1) line.append(el("span", "", `said ${m.sends} times`));
  if (m.repeats) line.append(el("span", "", `came ${m.repeats + 1} times`));
  if (m.content.SpamLevel > 0) line.append(el("span", "bad", "spam"));
  if (Auto) line.append(el("span", "", `no person wrote it: ${Auto}`));
  if (Report) line.append(el("span", "bad", [Report.Action, Report.Status, Report.Recipient].filter(Boolean).join(" ")));
  if (Problem) line.append(el("span", "bad", Problem));
  if (!outbound(m)) line.append(button("quiet", "Reply", () => reply(m)));
  return line;
}

// ---- writing

function write(title, to, subject, channel) {
  const out = gateways.filter((g) => g.Direction === "O");
  $("gateway").replaceChildren(...out.map((g) => {
    const o = el("option", "", g.DisplayName || g.Id);
    o.value = g.Id;
    return o;
  }));
  const fits = out.find((g) => g.Channel === channel);
  if (fits) $("gateway").value = fits.Id;
  $("letter-title").textContent = title;
  $("to").value = to;
  $("subject").value = subject;
  $("letter").hidden = false;
  $("no-thread").hidden = true;
  $("error").textContent = out.length ? "" : "The register has no gateway for this direction.";
  $(to ? "text" : "to").focus();
}

$("new").addEventListener("click", () => {
  answered = null;
  write("New message", "", "", "");
});

function reply(m) {
  answered = m;
  const subject = m.content.SubjectField.replace(/^(\s*re\s*:)+\s*/i, "");
  write("Reply", fields(m).ReplyTo || m.content.RemoteAddress, subject && "Re: " + subject, gatewayOf(m)?.Channel);
}

// finish puts the letter away.
function finish() {
  answered = null;
  $("letter").reset();
  $("letter").hidden = true;
}
$("cancel").addEventListener("click", () => {
  finish();
  drawThread();
});

$("letter").addEventListener("submit", async (e) => {
  e.preventDefault();
  $("send").disabled = true;
  const sent = await act("api/messages", "POST", {
    GatewayId: $("gateway").value,
    RemoteAddress: $("to").value.trim(),
    SubjectField: $("subject").value.trim(),
    BodyText: $("text").value,
    BodyHtml: $("html").value,
    InReplyToId: answered?.content.DeliverySystemId || "",
  });
  $("send").disabled = false;
  if (!sent) return;
  finish();
  await look();
  const thread = messages.find((m) => m.id === sent.id)?.thread;
  if (thread && thread !== current) choose(thread);
});

// ---- the register

function drawRegister() {
  if (!$("save").disabled) return; // what is being edited stays
  $("gateways").replaceChildren(...gateways.map(entry));
}

function entry(g) {
  const li = $("entry").content.firstElementChild.cloneNode(true);
  li.dataset.gateway = JSON.stringify(g);
  li.querySelector(".title").textContent = g.DisplayName || "New gateway";
  li.querySelector(".badge").textContent = g.asked_by ? "asked for" : "";
  li.querySelector(".id").textContent = g.Id;
  for (const input of li.querySelectorAll("[data-key]")) input.value = g[input.dataset.key] || "";
  li.querySelector("button").addEventListener("click", () => {
    li.remove();
    $("save").disabled = false;
  });
  return li;
}

$("register").addEventListener("input", () => ($("save").disabled = false));

$("add").addEventListener("click", () => {
  const li = entry({ Id: crypto.randomUUID(), Direction: "I", PeerAddress: gateways[0]?.PeerAddress || "" });
  $("gateways").append(li);
  li.querySelector("details").open = true;
  $("save").disabled = false;
});

$("register").addEventListener("submit", async (e) => {
  e.preventDefault();
  const list = [...$("gateways").children].map((li) => {
    const g = JSON.parse(li.dataset.gateway);
    for (const input of li.querySelectorAll("[data-key]")) g[input.dataset.key] = input.value.trim();
    return g;
  });
  const saved = await act("api/gateways", "PUT", { gateways: list });
  if (!saved) return;
  $("save").disabled = true;
  gateways = saved;
  drawRegister();
});

// A closed entry hides what is required: it is opened before the browser says so.
$("register").addEventListener("invalid", (e) => (e.target.closest("details").open = true), true);

// ---- what the core tells

let looking = false;
let again = false;

// look loads the list; calls during a load make one more.
async function look() {
  again = looking;
  if (looking) return;
  looking = true;
  try {
    do {
      again = false;
      [messages, gateways] = await Promise.all([call("api/messages"), call("api/gateways")]);
      drawThreads();
      drawRegister();
      if (!current && messages.some((m) => m.thread === location.hash.slice(1))) choose(location.hash.slice(1));
      else await drawThread();
    } while (again);
  } catch (e) {
    $("error").textContent = e.message;
  } finally {
    looking = false;
  }
}

function drawOffences(report) {
  const names = Object.keys(report.total).sort((a, b) => report.total[b] - report.total[a]);
  const total = names.reduce((n, name) => n + report.total[name], 0);
  $("n-offences").textContent = total;
  $("n-offences").dataset.bad = total > 0;
  $("offences").replaceChildren(...names.map((name) => {
    const li = el("li");
    const row = el("p", "row");
    row.append(el("span", "", name.replaceAll("_", " ")), el("span", "count", String(report.total[name])));
    li.append(row, el("p", "muted where", report.last[name]));
    return li;
  }));
}

const events = new EventSource("events");
events.onmessage = (e) => {
  const u = JSON.parse(e.data);
  $("link").dataset.state = u.stats.connections ? "on" : "off";
  $("link-text").textContent = u.stats.connections ? "connected" : "no gateway connected";
  drawOffences(u.offences);
  look();
};
events.onerror = () => {
  $("link").dataset.state = "off";
  $("link-text").textContent = "the core is away";
};
