// How one message looks. Everything from outside is set as text, never parsed.

import { can, seen } from "./control.js";

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

// el makes an element.
export function el(tag, className, text) {
  const e = document.createElement(tag);
  if (className) e.className = className;
  if (text !== undefined) e.textContent = text;
  return e;
}

export function button(className, text, onClick) {
  const b = el("button", className, text);
  b.type = "button";
  b.addEventListener("click", onClick);
  return b;
}

// shortly is a message in a few words, for quotes.
export function shortly(m) {
  if (!m) return "a message";
  if (m.deleted) return "a deleted message";
  const text = m.text || m.caption || m.file?.name || (m.contact && m.contact.name) || (m.location && "a location") || m.kind;
  return text.length > 80 ? text.slice(0, 79) + "…" : text;
}

// drawMessage makes the list item of m. all finds messages by id; on tells
// what to do when the customer presses, edits, replies or reacts.
export function drawMessage(m, all, on) {
  const mine = m.from === "customer";
  const service = m.kind === "service";
  const item = el("li", "message" + (mine ? " mine" : "") + (service ? " service" : ""));
  item.dataset.id = m.id;
  item.dataset.kind = m.kind || "text";
  if (m.state) item.dataset.state = m.state;
  if (!mine && away.has(m.state)) item.classList.add("away");
  if (service) {
    item.append(el("p", "bubble", m.text));
    return item;
  }
  const row = el("div", "said");
  row.append(bubble(m, all));
  item.append(row);
  if (m.reactions?.length) item.append(el("p", "reactions", m.reactions.join(" ")));
  if (m.buttons) item.append(choices(m, on));
  item.append(facts(m, mine));
  if (!m.deleted && (can("reply") || can("react"))) {
    const { toggle, list } = tools(m, mine, on);
    row.append(toggle);
    item.append(list);
  }
  return item;
}

function bubble(m, all) {
  const b = el("div", "bubble");
  if (m.deleted) {
    b.append(el("p", "gone", "This message was deleted"));
    return b;
  }
  if (m.reply_to) b.append(el("p", "quote", shortly(all.get(m.reply_to))));
  for (const file of [m.file, ...(m.more || [])]) if (file) b.append(attachment(m, file));
  if (m.location) b.append(pin(m.location));
  if (m.contact) {
    const card = el("p", "card");
    card.append(el("b", "", m.contact.name), el("span", "", m.contact.phone));
    b.append(card);
  }
  const text = m.text || m.caption;
  if (text) b.append(linked(text));
  if (!b.children.length) b.append(el("p", "gone", m.kind));
  return b;
}

const address = /https?:\/\/[^\s<>"|]*[^\s<>"|.,:;!?)\]]/g;

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
  p.append(text.slice(at));
  return p;
}

function attachment(m, file) {
  const url = new URL(file.url, window.location.origin).href;
  const type = file.type || "";
  const name = file.name || m.kind;
  if (m.kind === "photo" || /^image\/(png|jpeg|gif|webp)$/.test(type)) {
    const picture = el("img", "picture");
    picture.src = url;
    picture.alt = m.caption || name;
    // A picture of the agent's that is none is still a file.
    picture.addEventListener("error", () => picture.replaceWith(fileCard(url, name, file)), { once: true });
    return picture;
  }
  if (type.startsWith("audio/")) {
    const sound = el("audio");
    sound.controls = true;
    sound.src = url;
    return sound;
  }
  return fileCard(url, name, file);
}

function fileCard(url, name, file) {
  const a = el("a", "card");
  a.href = url;
  a.download = name;
  a.append(el("b", "", name), el("span", "", [file.type, size(file.size)].filter(Boolean).join(", ")));
  return a;
}

function size(bytes) {
  if (!bytes) return "";
  if (bytes < 1024) return bytes + " B";
  if (bytes < 1 << 20) return Math.round(bytes / 1024) + " KB";
  return (bytes / (1 << 20)).toFixed(1) + " MB";
}

function pin(at) {
  const card = el("p", "card");
  card.append(el("b", "", at.title || "Location"), el("span", "", `${at.lat.toFixed(5)}, ${at.lon.toFixed(5)}`));
  return card;
}

function choices(m, on) {
  const keyboard = el("div", "choices");
  for (const line of m.buttons) {
    const row = el("div", "choice-row");
    for (const b of line) {
      if (b.url) {
        const a = el("a", "choice", b.text);
        a.href = /^https?:/.test(b.url) ? b.url : "#";
        a.target = "_blank";
        a.rel = "noopener";
        row.append(a);
      } else row.append(button("choice", b.text, () => on.press(m, b)));
    }
    keyboard.append(row);
  }
  return keyboard;
}

// states says how far a message of the customer's got, where that is known, and
// ticks one of the agent's, where the network reports it.
const states = { sending: "…", waiting: "waiting", refused: "refused", taken: "✓✓" };
const ticks = { accepted: "◷", queued: "◷", sent: "✓", delivered: "✓✓", read: "✓✓", undelivered: "✕", failed: "✕" };

// away are the states of the agent's messages that are not on this phone.
const away = new Set(["accepted", "queued", "sent", "undelivered", "failed"]);

function facts(m, mine) {
  const line = el("p", "facts");
  const time = el("time", "", clock.format(new Date(m.at)));
  time.dateTime = m.at;
  if (m.edited) line.append(el("span", "", "edited"));
  if (m.copies > 1) line.append(el("span", "", `came ${m.copies} times, shown once`));
  line.append(time);
  if (!mine) {
    if (m.state) line.append(el("span", "state " + m.state, `${ticks[m.state] || ""} ${m.state === "read" ? seen : m.state}`));
    if (m.detail) line.append(el("span", "detail", m.detail));
    return line;
  }
  const state = el("span", "state " + (m.state || ""), m.state ? states[m.state] || m.state : "✓");
  if (m.detail) state.title = m.detail;
  line.append(state);
  if (m.read) {
    state.classList.add("read");
    line.append(el("span", "state read", seen));
  }
  if (m.detail && m.state !== "taken") line.append(el("span", "detail", m.detail));
  return line;
}

const emoji = ["👍", "❤", "😁", "🔥"];

// tools are what can be done with a message, behind one small button.
function tools(m, mine, on) {
  const list = el("div", "tools");
  list.hidden = true;
  const open = (yes) => {
    list.hidden = !yes;
    toggle.setAttribute("aria-expanded", String(yes));
    if (yes) list.scrollIntoView({ block: "nearest" });
  };
  const toggle = button("plain toggle", "⋯", () => open(list.hidden));
  list.addEventListener("click", () => open(false)); // after the button's own work
  toggle.setAttribute("aria-label", "More");
  toggle.setAttribute("aria-expanded", "false");
  if (can("react")) {
    for (const e of emoji) {
      const set = m.reactions?.includes(e);
      const b = button("plain", e, () => on.react(m, set ? [] : [e]));
      b.setAttribute("aria-pressed", String(Boolean(set)));
      b.setAttribute("aria-label", (set ? "Take back " : "React with ") + e);
      list.append(b);
    }
  }
  if (can("reply")) list.append(button("quiet", "Reply", () => on.reply(m)));
  if (mine && m.text && can("edit")) list.append(button("quiet", "Edit", () => on.edit(m)));
  if (mine && can("unsend")) list.append(button("quiet", "Unsend", () => on.unsend(m)));
  return { toggle, list };
}
