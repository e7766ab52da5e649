// A person's mailbox at the simulated mail host: its mails in threads, written and
// answered. Everything from outside is set as text; a mail's HTML is shown in a frame
// that runs nothing and loads nothing.

import { act, breaks, broken, control, conversation, fileOf, mends, Problem } from "./control.js";
import { button, el } from "./message.js";

const $ = (id) => document.getElementById(id);

const longPoll = 25; // seconds
const maxFile = 8 << 20; // bytes
const folders = ["INBOX", "Sent"];

let business = ""; // the first mailbox is the business', the others are people's
let people = [];
let owner = "";
let threads = new Map(); // by their first Message-ID
let open = ""; // the thread that is shown
let answered = null; // the mail that is being answered
let watching = new AbortController();
const read = new Set(); // ids of mails that were on the screen
const html = new Set(); // ids of mails shown as HTML

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

function when(at) {
  const t = el("time", "", (new Date(at).toDateString() === new Date().toDateString() ? clock : day).format(new Date(at)));
  t.dateTime = at;
  return t;
}

// named leaves out what surrounds an address without a name.
const named = (who) => who.replace(/^<([^<>]+)>$/, "$1");

const bare = (subject) => (subject || "").replace(/^(\s*(re|aw|fwd?)\s*:)+\s*/i, "");

// ---- whose mailbox

function openPeople(yes) {
  $("people").hidden = !yes;
  $("owner").setAttribute("aria-expanded", String(yes));
}
$("owner").addEventListener("click", () => openPeople($("people").hidden));

function drawPeople() {
  $("boxes").replaceChildren(...people.map((who) => {
    const b = button("customer", who, () => choose(who));
    if (who === owner) b.setAttribute("aria-current", "true");
    const li = el("li");
    li.append(b);
    return li;
  }));
}

function choose(who) {
  owner = who;
  $("owner-name").textContent = who;
  history.replaceState(null, "", "#box=" + encodeURIComponent(who));
  $("write").disabled = false;
  threads = new Map();
  openPeople(false);
  drawPeople();
  finish();
  show("");
  watch();
}

$("newcomer").addEventListener("submit", async (e) => {
  e.preventDefault();
  const who = $("name").value.trim() + business.slice(business.indexOf("@"));
  if (who === business) return complain("That is the business' own mailbox.");
  if (!people.includes(who) && !(await tried(() => control("accounts", { account: who, password: crypto.randomUUID() })))) return;
  $("newcomer").reset();
  if (!people.includes(who)) people.push(who);
  choose(who);
});

// ---- what lies there

// watch follows the mailbox until another one is chosen. While nobody sees the page
// it holds no connection.
async function watch() {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  for (let version = -1, pause = 500; !signal.aborted; ) {
    if (document.visibilityState === "hidden") await new Promise((go) => document.addEventListener("visibilitychange", go, { once: true }));
    try {
      const inbox = await conversation(owner, folders[0], version, version < 0 ? 0 : longPoll, signal);
      const sent = await conversation(owner, folders[1], -1, 0, signal);
      if (signal.aborted) return;
      version = inbox.version;
      pause = 500;
      gather([...(sent.messages || []), ...(inbox.messages || [])]);
      draw();
    } catch (e) {
      if (signal.aborted) return;
      status(e.message, true);
      version = -1;
      await new Promise((go) => setTimeout(go, pause));
      pause = Math.min(2 * pause, 5000);
    }
  }
}

function status(text, bad) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

// gather puts mails into threads: a mail belongs to what it answers, or to the latest
// of its references that is known.
function gather(mails) {
  mails.sort((a, b) => new Date(a.at) - new Date(b.at));
  const of = new Map(); // thread by Message-ID
  threads = new Map();
  for (const m of mails) {
    const before = [m.reply_to, ...(m.mail.references || []).toReversed()].filter(Boolean);
    const id = [m.mail.id, ...before].map((b) => of.get(b)).find(Boolean) || before.at(-1) || m.mail.id || m.id;
    for (const known of [m.mail.id, ...before]) if (known && !of.has(known)) of.set(known, id);
    if (!threads.has(id)) threads.set(id, []);
    threads.get(id).push(m);
  }
}

function draw() {
  const n = [...threads.values()].reduce((sum, t) => sum + t.length, 0);
  status(`${n} mail${n === 1 ? "" : "s"}`, false);
  drawThreads();
  drawMails();
}

function drawThreads() {
  const list = [...threads].sort(([, a], [, b]) => new Date(b.at(-1).at) - new Date(a.at(-1).at));
  $("threads").replaceChildren(...list.map(([id, mails]) => {
    const last = mails.at(-1);
    const unread = mails.some((m) => m.from !== "customer" && !read.has(m.id));
    const b = button("thread" + (unread ? " unread" : ""), "", () => show(id));
    const subject = el("span", "subject", bare(mails[0].caption) || "(no subject)");
    if (mails.length > 1) subject.append(el("span", "count", String(mails.length)));
    b.append(subject, when(last.at), el("span", "preview", (last.from === "customer" ? "You: " : "") + (last.text || "").trim().slice(0, 120)));
    const li = el("li");
    li.append(b);
    return li;
  }));
  $("empty").hidden = Boolean(open) || list.length > 0;
}

// show opens a thread, or with no name the list.
function show(id) {
  open = id;
  $("mails").replaceChildren();
  drawThreads();
  drawMails();
  if (id) $("mails").focus();
}
$("back").addEventListener("click", () => {
  finish();
  show("");
});

// drawMails adds the mails that are new: a mail never changes.
function drawMails() {
  const mails = threads.get(open) || [];
  $("threads").hidden = Boolean(open);
  $("mails").hidden = $("back").hidden = !open;
  $("title").textContent = open ? bare(mails[0]?.caption) || "(no subject)" : "Mails";
  if (!open) return;
  const list = $("mails");
  const there = new Set([...list.children].map((item) => item.dataset.id));
  for (const m of mails) {
    read.add(m.id);
    if (!there.has(m.id)) list.append(drawMail(m));
  }
  list.scrollTop = list.scrollHeight;
}

function drawMail(m) {
  const item = el("li", "mail" + (m.from === "customer" ? " mine" : ""));
  item.dataset.id = m.id;
  const head = el("p", "head");
  head.append(el("b", "", named(m.contact.name)), when(m.at), el("span", "to", `to ${named(m.mail.to)}`));
  item.append(head);
  if (m.mail.html && m.text) item.append(ways(m, item));
  item.append(body(m));
  if (m.more?.length) {
    const files = el("p", "files");
    for (const f of m.more) {
      const a = el("a", "card");
      a.href = f.url;
      a.download = f.name || "file";
      a.append(el("b", "", f.name || "file"), el("span", "", `${f.type}, ${Math.max(1, Math.round(f.size / 1024))} KB`));
      files.append(a);
    }
    item.append(files);
  }
  if (m.from !== "customer") item.append(button("quiet", "Reply", () => reply(m)));
  return item;
}

// ways switches between a mail's text and its HTML.
function ways(m, item) {
  const row = el("p", "ways");
  for (const [name, yes] of [["Text", false], ["HTML", true]]) {
    const b = button("quiet", name, () => {
      if (yes) html.add(m.id);
      else html.delete(m.id);
      item.replaceWith(drawMail(m));
    });
    b.setAttribute("aria-pressed", String(html.has(m.id) === yes));
    row.append(b);
  }
  return row;
}

function body(m) {
  if (!m.mail.html || (m.text && !html.has(m.id))) return el("p", "text", (m.text || "").trimEnd());
  const frame = el("iframe", "html");
  frame.sandbox = "";
  frame.title = "The mail's HTML";
  frame.srcdoc = m.mail.html;
  return frame;
}

// ---- what its owner does

function complain(text) {
  $("alert").textContent = text;
  $("alert").classList.add("bad");
}

function tell(text) {
  $("alert").textContent = text;
  $("alert").classList.remove("bad");
}

// tried says whether it worked, and shows why not.
async function tried(what) {
  tell("");
  try {
    await what();
    return true;
  } catch (e) {
    if (!(e instanceof Problem)) throw e;
    complain("That did not work: " + e.message);
    return false;
  }
}

function write(title, to, subject) {
  $("letter-title").textContent = title;
  $("letter").hidden = false;
  $("to").value = to;
  $("subject").value = subject;
  $("to-row").hidden = Boolean(answered);
  $(answered ? "text" : "subject").focus();
}

$("write").addEventListener("click", () => {
  answered = null;
  write("New mail", business, "");
});

function reply(m) {
  answered = m;
  const from = /<([^<>]+)>\s*$/.exec(m.contact.name)?.[1] || m.contact.name;
  write("Reply", from, "Re: " + bare(m.caption));
}

// finish puts the letter away.
function finish() {
  answered = null;
  $("letter").reset();
  $("letter").hidden = true;
}
$("cancel").addEventListener("click", finish);

$("letter").addEventListener("submit", async (e) => {
  e.preventDefault();
  const file = $("file").files[0];
  if (file && file.size > maxFile) return complain(`${file.name} is larger than ${maxFile >> 20} MB.`);
  const mail = { do: "mail", chat: $("to").value.trim(), title: $("subject").value.trim(), text: $("text").value };
  if (answered) mail.message = answered.id;
  $("send").disabled = true;
  const sent = await tried(async () => {
    if (file) mail.file = await fileOf(file);
    await act(owner, mail);
  });
  $("send").disabled = false;
  if (sent) finish();
});

// ---- what the mail host does

$("levers").addEventListener("click", async (e) => {
  const b = e.target.closest("button");
  if (!b) return;
  const { kind, method, code, times, seconds, do: what, chat } = b.dataset;
  const fault = { kind, method, code: Number(code || 0), times: Number(times || 0), seconds: Number(seconds || 0) };
  const worked = await tried(() => (b.id === "mend" ? mends() : kind ? breaks(fault) : act(business, { do: what, chat })));
  if (worked) tell(`${b.textContent}: done.`);
  follow();
});

// follow shows whether something is broken: another page may have done it.
async function follow() {
  if (document.visibilityState === "hidden") return;
  try {
    const n = ((await broken()) || []).length;
    $("broken").hidden = n === 0;
    $("broken").textContent = `(${n} broken)`;
  } catch (e) {
    if (!(e instanceof Problem)) throw e; // watch tells of the others
  }
}

// begin waits for the host to have mailboxes.
async function begin() {
  for (let pause = 250; ; pause = Math.min(2 * pause, 3000)) {
    try {
      const list = ((await control("accounts")) || []).map((a) => a.account);
      if (list.length > 1) {
        [business, ...people] = list;
        const asked = new URLSearchParams(location.hash.slice(1)).get("box");
        choose(people.includes(asked) ? asked : people[0]);
        setInterval(follow, 2000);
        return follow();
      }
      status("the mail host has no mailboxes", true);
    } catch (e) {
      status(e.message, true);
    }
    await new Promise((go) => setTimeout(go, pause));
  }
}
begin();
