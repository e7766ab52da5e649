// A customer's phone: it shows a conversation as the network's side has it and
// does what the customer does.

import { act, accounts, chats, conversation, fileOf, network, numbers, Problem } from "./control.js";
import { button, drawMessage, el, shortly } from "./message.js";
import { drawWindow, followSwitches, startSwitches } from "./switches.js";

const $ = (id) => document.getElementById(id);

const longPoll = 25; // seconds
const others = 2500; // milliseconds between looks at the other customers' chats
const maxFile = 15 << 20; // bytes; base64 makes more of them

let account = "";
const customers = new Map(); // chat -> {chat, name, user, version, seen, closed}
let current = "";
let shown = new Map(); // id of a message on display -> {look, item}
let context = null; // what the next message is: {do, message} or {do, file}
let watching = new AbortController();
let notice = "";
let follow = false; // the next change is the customer's own: show the end of the log

// ---- customers

const storeKey = () => `servicelink phone ${network} ${account}`;

// A customer who has not written yet is known to this page alone.
function keep() {
  const list = [...customers.values()].map(({ chat, name, user, closed }) => ({ chat, name, user, closed }));
  try {
    localStorage.setItem(storeKey(), JSON.stringify(list));
  } catch { /* a browser without storage forgets them at the next reload */ }
}

function kept() {
  try {
    return JSON.parse(localStorage.getItem(storeKey())) || [];
  } catch {
    return [];
  }
}

// meet makes a customer known; one who is stays as is, but for a name that was
// not known so far.
function meet(chat, name, user) {
  const known = customers.get(chat);
  if (known && (known.named || !name)) return known;
  const [first, ...rest] = (name || "Customer").split(" ");
  const c = {
    chat, name: name || "Customer " + chat, named: Boolean(name), version: known?.version || 0, seen: known?.seen || 0,
    user: user || { id: chat, first_name: first, last_name: rest.join(" ") },
  };
  if (known) Object.assign(known, c);
  else customers.set(chat, c);
  if (chat === current) $("owner-name").textContent = c.name;
  return customers.get(chat);
}

const unread = (c) => Math.max(0, c.version - c.seen);

function drawPeople() {
  $("customers").replaceChildren(...[...customers.values()].reverse().map((c) => {
    const b = button("customer", "", () => choose(c.chat));
    b.dataset.chat = c.chat;
    if (c.chat === current) b.setAttribute("aria-current", "true");
    b.append(el("span", "", c.name));
    if (unread(c)) b.append(el("span", "count", "new"));
    const li = el("li");
    li.append(b);
    return li;
  }));
  $("people-title").hidden = customers.size === 0;
  const waiting = [...customers.values()].filter((c) => c.chat !== current && unread(c)).length;
  $("unread").hidden = waiting === 0;
  $("unread").textContent = String(waiting);
  $("unread").title = "other customers with news";
}

// focus must not take the keyboard from another frame of the page around.
const focus = (e) => document.hasFocus() && e.focus();

function openPeople(open) {
  $("people").hidden = !open;
  $("owner").setAttribute("aria-expanded", String(open));
  if (open) focus($("name"));
}

function choose(chat) {
  current = chat;
  const c = customers.get(chat);
  history.replaceState(null, "", "#chat=" + encodeURIComponent(chat));
  $("owner-name").textContent = c.name;
  $("text").disabled = $("send").disabled = $("attach").disabled = false;
  for (const b of document.querySelectorAll("#levers button")) b.disabled = false;
  $("empty").textContent = "Nothing said yet.";
  $("messages").replaceChildren();
  shown = new Map();
  notice = "";
  setContext(null);
  openPeople(false);
  drawPeople();
  watch(c);
  focus($("text"));
}

$("owner").addEventListener("click", () => openPeople($("people").hidden));

$("newcomer").addEventListener("submit", (e) => {
  e.preventDefault();
  const name = $("name").value.trim();
  if (!name) return;
  const some = String(1e8 + Math.floor(Math.random() * 9e8));
  const chat = numbers ? $("number").value.trim() || "+4206" + some.slice(1) : some;
  const c = meet(chat, name);
  const username = $("username")?.value.trim();
  if (username) c.user.username = username;
  if ($("language")) c.user.language_code = $("language").value;
  $("newcomer").reset();
  keep();
  choose(chat);
});

// lookAround finds conversations that began elsewhere, and what is new in them.
async function lookAround() {
  if (document.visibilityState === "hidden") return;
  try {
    await followSwitches();
    for (const info of (await chats(account)) || []) {
      const c = meet(info.chat, info.name);
      if (!c.version && c.chat !== current) c.seen = info.version; // what was said before this page came
      c.version = info.version;
      if (c.chat === current) c.seen = c.version;
    }
    drawPeople();
    const latest = [...customers.keys()].pop();
    if (!current && latest && !$("name").value) choose(latest);
  } catch (e) {
    if (!(e instanceof Problem)) throw e; // watch tells of the others
  }
}

// ---- the conversation

// watch follows one conversation until another one is chosen. While nobody
// sees the page it holds no connection.
async function watch(c) {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  let version = -1;
  let pause = 500;
  while (!signal.aborted) {
    if (document.visibilityState === "hidden") await becomesVisible();
    try {
      const conv = await conversation(account, c.chat, version, version < 0 ? 0 : longPoll, signal);
      if (signal.aborted) return;
      version = conv.version;
      c.version = c.seen = version;
      pause = 500;
      drawConversation(conv);
    } catch (e) {
      if (signal.aborted) return;
      drawStatus(e.message, true);
      version = -1;
      await sleep(pause);
      pause = Math.min(2 * pause, 5000);
    }
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function becomesVisible() {
  return new Promise((resolve) => document.addEventListener("visibilitychange", resolve, { once: true }));
}

function drawStatus(text, bad) {
  $("status").textContent = text;
  $("status").className = bad ? "bad" : "";
}

function drawConversation(conv) {
  drawStatus(conv.blocked ? "you blocked it" : conv.typing ? "typing …" : "online", false);
  $("status").classList.toggle("live", conv.typing);
  if ($("block")) {
    $("block").textContent = conv.blocked ? "Unblock" : "Block";
    $("block").dataset.do = conv.blocked ? "unblock" : "block";
  }
  if (conv.notice && conv.notice !== notice) tell(conv.notice);
  notice = conv.notice;
  drawWindow(customers.get(current), conv.messages || []);
  drawLog(conv.messages || []);
}

// drawLog draws what is new and what changed, so that a screen reader hears
// new messages only.
function drawLog(messages) {
  const log = $("messages");
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const first = shown.size === 0;
  const all = new Map(messages.map((m) => [m.id, m]));
  let at = log.firstElementChild;
  const before = shown;
  shown = new Map();
  for (const m of messages) {
    const look = JSON.stringify([m, m.reply_to && shortly(all.get(m.reply_to))]);
    const old = before.get(m.id);
    let item = old?.item;
    if (old?.look !== look) {
      item = drawMessage(m, all, actions);
      old?.item.replaceWith(item);
      if (old?.item === at) at = item;
    }
    if (item === at) at = at.nextElementSibling;
    else log.insertBefore(item, at);
    shown.set(m.id, { look, item });
  }
  for (const [id, { item }] of before) if (!all.has(id)) item.remove();
  $("empty").hidden = messages.length > 0;
  if (atEnd || first || follow) log.scrollTop = log.scrollHeight;
  follow = false;
}

// Pictures come later than their place in the list.
$("messages").addEventListener("load", () => {
  const log = $("messages");
  if (log.scrollHeight - log.scrollTop - log.clientHeight < 420) log.scrollTop = log.scrollHeight;
}, true);

// ---- what the customer does

let telling = 0;

// tell shows a notice that goes away by itself.
function tell(text) {
  clearTimeout(telling);
  $("alert").textContent = text;
  $("alert").classList.remove("bad");
  if (text) telling = setTimeout(() => tell(""), 4000);
}

function complain(text) {
  clearTimeout(telling);
  $("alert").textContent = text;
  $("alert").classList.add("bad");
}

// does acts as the current customer; false when it did not work.
async function does(action) {
  const c = customers.get(current);
  tell("");
  follow = action.message === undefined || action.do === "reply";
  try {
    await act(account, { chat: c.chat, user: c.user, ...action });
    return true;
  } catch (e) {
    complain("That did not work: " + e.message);
    return false;
  }
}

const actions = {
  press: (m, b) => does(b.says ? { do: "text", text: b.text } : { do: "press", message: m.id, data: b.data }),
  react: (m, emoji) => {
    if (emoji.length) Object.assign(customers.get(current), { closed: "" }); // it opens the window, where there is one
    return does({ do: "react", message: m.id, emoji });
  },
  unsend: (m) => does({ do: "unsend", message: m.id }),
  reply: (m) => setContext({ do: "reply", message: m.id, what: "Reply to", text: shortly(m) }),
  edit: (m) => {
    setContext({ do: "edit", message: m.id, what: "Edit", text: shortly(m) });
    $("text").value = m.text;
    grow();
  },
};

function setContext(next) {
  if (context?.picture) URL.revokeObjectURL(context.picture);
  if (context?.do === "edit") $("text").value = "";
  context = next;
  $("context").hidden = !next;
  $("context-what").textContent = next?.what || "";
  $("context-text").textContent = next?.text || "";
  $("context-picture").hidden = !next?.picture;
  if (next?.picture) $("context-picture").src = next.picture;
  else $("context-picture").removeAttribute("src");
  $("text").placeholder = next?.file ? "Add a caption" : "Message";
  grow();
  if (next) focus($("text"));
}

$("context-cancel").addEventListener("click", () => setContext(null));

$("writer").addEventListener("submit", async (e) => {
  e.preventDefault();
  const text = $("text").value.trim();
  if (!text && !context?.file) return;
  $("send").disabled = true;
  try {
    let action = { do: "text", text };
    if (context?.file) action = { do: context.do, caption: text, file: await fileOf(context.file) };
    else if (context) action = { do: context.do, message: context.message, text };
    if (await does(action)) {
      if (context) setContext(null);
      $("text").value = "";
      grow();
    }
  } catch (problem) {
    complain(problem.message);
  } finally {
    $("send").disabled = false;
    focus($("text"));
  }
});

$("text").addEventListener("keydown", (e) => {
  if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
    e.preventDefault();
    $("writer").requestSubmit();
  }
  if (e.key === "Escape") setContext(null);
});

function grow() {
  const box = $("text");
  box.rows = Math.min(5, Math.max(1, box.value.split("\n").length));
}
$("text").addEventListener("input", grow);

function openAttachments(open) {
  $("attachments").hidden = !open;
  $("attach").setAttribute("aria-expanded", String(open));
}
$("attach").addEventListener("click", () => openAttachments($("attachments").hidden));
$("attachments").addEventListener("click", (e) => e.target.closest("button") && openAttachments(false));

for (const kind of ["photo", "document"]) {
  $(kind)?.addEventListener("change", () => {
    const file = $(kind).files[0];
    $(kind).value = "";
    openAttachments(false);
    if (!file) return;
    if (file.size > maxFile) return complain(`${file.name} is larger than ${maxFile >> 20} MB.`);
    const picture = file.type.startsWith("image/") ? URL.createObjectURL(file) : "";
    setContext({ do: kind, file, picture, what: kind === "photo" ? "Picture" : "Document", text: file.name });
  });
}

// dialogs are what customers fill in before it is sent.
const dialogs = {
  location: () => ({ lat: $("lat").valueAsNumber, lon: $("lon").valueAsNumber }),
  contact: () => ({ name: $("contact-name").value.trim(), phone: $("contact-phone").value.trim() }),
  inbox: () => ({ text: $("inbox-text").value.trim() }),
};

for (const [kind, filled] of Object.entries(dialogs)) {
  const dialog = $(kind + "-dialog");
  if (!dialog) continue;
  $(kind).addEventListener("click", () => dialog.showModal());
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  $(kind + "-form").addEventListener("submit", (e) => {
    e.preventDefault();
    dialog.close();
    does({ do: kind, ...filled() });
  });
}

for (const b of document.querySelectorAll("#attachments [data-do]")) {
  b.addEventListener("click", () => does({ do: b.dataset.do, data: b.dataset.data }));
}

// What the network does is not seen in the conversation: say that it is done.
for (const b of document.querySelectorAll("#levers [data-do]")) {
  b.addEventListener("click", async () => {
    const { do: what, data } = b.dataset;
    if (await does({ do: what, data })) tell(`${b.closest("dd").previousElementSibling.textContent}: ${b.textContent.toLowerCase()}, done.`);
  });
}

$("block")?.addEventListener("click", () => does({ do: $("block").dataset.do || "block" }));

// ---- the beginning

function use(next, asked) {
  account = next.id;
  $("business").textContent = next.title;
  customers.clear();
  for (const c of kept()) meet(c.chat, c.name, c.user).closed = c.closed;
  current = "";
  if (asked) choose(meet(asked).chat);
  lookAround().then(() => {
    if (current) return;
    drawStatus("online", false);
    openPeople(true);
  });
}

// begin waits for the network to have an account.
async function begin() {
  for (let pause = 250; ; pause = Math.min(2 * pause, 3000)) {
    try {
      const list = await accounts();
      if (list.length) {
        $("account-row").hidden = list.length < 2;
        $("account").replaceChildren(...list.map((a) => {
          const option = el("option", "", a.title);
          option.value = a.id;
          return option;
        }));
        $("account").addEventListener("change", () => use(list.find((a) => a.id === $("account").value)));
        use(list[0], new URLSearchParams(location.hash.slice(1)).get("chat"));
        setInterval(lookAround, others);
        return;
      }
      drawStatus("no account is known at this network", true);
    } catch (e) {
      drawStatus(e.message, true);
    }
    await sleep(pause);
  }
}

startSwitches({
  does, complain, keep,
  customer: () => customers.get(current),
  all: () => [...customers.keys()].map((chat) => ({ account, chat })),
});
begin();
