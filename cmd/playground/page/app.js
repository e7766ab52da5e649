// The customers' page: draws what the server tells over /events and posts what
// the customers do. Everything from outside goes through textContent.
"use strict";

const byId = (id) => document.getElementById(id);
const chats = new Map(); // id -> {id, name, messages: [], unread}
let current = 0;

function element(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

async function call(path, body) {
  byId("alert").textContent = "";
  try {
    const response = await fetch(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(text.trim());
    return text ? JSON.parse(text) : null;
  } catch (problem) {
    byId("alert").textContent = "That did not work: " + (problem.message || "no connection");
    return null;
  }
}

function drawChats() {
  const list = byId("chats");
  list.replaceChildren(...[...chats.values()].map((chat) => {
    const button = element("button", "", chat.name);
    button.type = "button";
    button.dataset.chat = chat.id;
    button.setAttribute("aria-current", String(chat.id === current));
    if (chat.unread) {
      const badge = element("span", "unread", String(chat.unread));
      badge.setAttribute("aria-label", chat.unread + " unread");
      button.append(badge);
    }
    button.addEventListener("click", () => select(chat.id));
    const item = element("li");
    item.append(button);
    return item;
  }));
}

function select(id) {
  const chat = chats.get(id);
  if (!chat) return;
  current = id;
  chat.unread = 0;
  byId("who").textContent = chat.name;
  byId("empty").textContent = "Nothing said yet.";
  byId("text").disabled = byId("send").disabled = false;
  byId("messages").replaceChildren(...chat.messages.map((m) => drawMessage(chat, m)));
  scrollDown();
  drawChats();
}

function facts(chat, message) {
  const line = element("p", "facts");
  line.append(new Date(message.at).toLocaleTimeString());
  if (message.from_me) {
    const taken = message.state === "taken";
    const state = element("span", message.state, taken ? "taken by the gateway" : message.detail || message.state);
    if (taken) state.title = message.detail;
    line.append(" · ", state);
    if (taken) {
      const again = element("button", "", "post it again");
      again.type = "button";
      again.title = "Networks repeat themselves. The agent must see it once.";
      again.addEventListener("click", () => call("messages", { chat: chat.id, repeat: message.id }));
      line.append(" · ", again);
    }
  } else if (message.copies > 1) {
    line.append(` · came ${message.copies} times, shown once`);
  }
  return line;
}

function drawMessage(chat, message) {
  const item = element("li", message.from_me ? "message mine" : "message");
  item.dataset.id = message.id;
  if (message.state) item.dataset.state = message.state;
  item.append(element("div", "bubble", message.text));
  if (message.buttons) {
    const choices = element("div", "choices");
    for (const b of message.buttons) {
      const choice = element("button", "", b.text);
      choice.type = "button";
      choice.addEventListener("click", () => call("messages", { chat: chat.id, button: b }));
      choices.append(choice);
    }
    item.append(choices);
  }
  item.append(facts(chat, message));
  return item;
}

function scrollDown() {
  const list = byId("messages");
  list.scrollTop = list.scrollHeight;
}

function takeMessage(id, message) {
  const chat = chats.get(id);
  if (!chat) return;
  const at = chat.messages.findIndex((m) => m.id === message.id);
  if (at < 0) chat.messages.push(message);
  else chat.messages[at] = message;
  if (id !== current) {
    if (at < 0 && !message.from_me) chat.unread++;
    drawChats();
    return;
  }
  const item = drawMessage(chat, message);
  if (at < 0) {
    byId("messages").append(item);
    scrollDown();
  } else {
    byId("messages").children[at].replaceWith(item);
  }
}

function takeChat(chat) {
  chats.set(chat.id, { ...chat, unread: 0 });
  drawChats();
}

function takeState(state) {
  const before = current;
  chats.clear();
  state.chats.forEach(takeChat);
  byId("offline").checked = state.offline;
  byId("links").replaceChildren(...state.links.map((link) => {
    const a = element("a", "", link.name);
    a.href = link.url;
    a.target = "_blank";
    a.rel = "noopener";
    return a;
  }));
  byId("alert").textContent = "";
  if (chats.size) select(chats.has(before) ? before : state.chats[0].id);
  else if (before) location.reload();
}

byId("newcomer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const made = await call("chats", { name: byId("name").value });
  if (!made) return;
  byId("name").value = "";
  // The chat itself arrives over /events, perhaps a moment later.
  const show = () => chats.has(made.id) ? (select(made.id), byId("text").focus()) : setTimeout(show, 20);
  show();
});

byId("writer").addEventListener("submit", async (event) => {
  event.preventDefault();
  const box = byId("text");
  if (box.value.trim() && await call("messages", { chat: current, text: box.value })) box.value = "";
});

byId("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    byId("writer").requestSubmit();
  }
});

byId("offline").addEventListener("change", (event) => call("offline", { offline: event.target.checked }));

const events = new EventSource("events");
events.addEventListener("state", (e) => takeState(JSON.parse(e.data)));
events.addEventListener("chat", (e) => takeChat(JSON.parse(e.data)));
events.addEventListener("offline", (e) => { byId("offline").checked = JSON.parse(e.data); });
events.addEventListener("message", (e) => {
  // An error of the connection has the same name and no data.
  if (!e.data) return;
  const change = JSON.parse(e.data);
  takeMessage(change.chat, change.message);
});
events.addEventListener("error", () => { byId("alert").textContent = "The playground does not answer; waiting for it."; });
