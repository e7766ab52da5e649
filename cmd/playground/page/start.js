// The start page: it shows what is broken and breaks it. Whether something is
// broken it asks those who know: the networks' control API for their faults,
// the playground for the core and for the gateway's ledger.
"use strict";

// networks with a phone each.
const networks = { telegram: "Telegram", omnichannel: "Omnichannel", whatsapp: "WhatsApp", sms: "SMS", facebook: "Messenger", mail: "Mail" };

// pageOf is what the network's page is.
const pageOf = (name) => (name === "mail" ? "Mailbox" : networks[name] + " phone");

const lasts = 20; // seconds a fault lasts

// faults are what the buttons do to a network. Duplicates go on until cleared.
const faults = {
  outage: { kind: "outage", seconds: lasts },
  rate: { kind: "rate", seconds: lasts },
  duplicate: { kind: "duplicate" },
};
const names = { outage: "down", rate: "answers 429", refuse: "refuses", unauthorized: "refuses the password", cut: "cuts", duplicate: "brings everything twice" };

const $ = (id) => document.getElementById(id);

async function call(path, method = "GET", body) {
  const response = await fetch(path, {
    method,
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(text.trim() || response.statusText);
  return text ? JSON.parse(text) : null;
}

// orders runs what a button asks for and shows a failure.
async function orders(...args) {
  try {
    await call(...args);
    $("error").textContent = "";
  } catch (e) {
    $("error").textContent = "That did not work: " + e.message;
  }
  await look();
}

document.querySelector(".faults").addEventListener("click", (e) => {
  const b = e.target.closest("button");
  if (!b) return;
  const network = b.closest("[data-network]")?.dataset.network;
  if (b.dataset.off) orders("/api/core", "POST", { off_seconds: Number(b.dataset.off) });
  else if (b.dataset.fault) orders(`/control/${network}/faults`, "POST", faults[b.dataset.fault]);
  else orders(`/control/${network}/faults`, "DELETE");
});

function show(box, text, bad) {
  box.dataset.state = bad ? "bad" : "on";
  const state = box.querySelector(".state");
  if (state.textContent !== text) state.textContent = text;
}

function drawCore(state) {
  const { on, back_ms: back } = state.core;
  show($("core"), on ? "on" : `off, back in ${Math.ceil(back / 1000)} s`, !on);
  $("core").querySelector('[data-off="0"]').disabled = on;
  $("offences").textContent = String(state.offences);
  if ($("links").dataset.full) return;
  $("links").dataset.full = "true";
  for (const link of state.links) {
    const a = document.createElement("a");
    a.href = link.url;
    a.target = "_blank";
    a.rel = "noopener";
    a.textContent = link.name;
    $("links").append(a);
  }
}

function drawFaults(box, list) {
  const kinds = [...new Set(list.map((f) => names[f.kind] || f.kind))];
  show(box, kinds.join(", ") || "no fault", kinds.length > 0);
  for (const b of box.querySelectorAll("[data-fault]")) {
    b.disabled = list.some((f) => f.kind === b.dataset.fault);
  }
  box.querySelector("[data-clear]").disabled = list.length === 0;
}

// drawLedger says where a channel's messages are, as the gateway's metrics do.
function drawLedger(box, channel) {
  const parts = [];
  for (const [title, side] of [["in", channel.in], ["out", channel.out]]) {
    const p = document.createElement("span");
    p.textContent = `${title}: ${side.done || 0} done`;
    for (const [state, what] of [["pending", "waiting"], ["dead", "given up"]]) {
      if (!side[state]) continue;
      const b = document.createElement("b");
      b.className = state;
      b.textContent = `, ${side[state]} ${what}`;
      p.append(b);
    }
    parts.push(p, " · ");
  }
  box.querySelector(".ledger").replaceChildren(...parts, `channel ${channel.state}`);
}

let looking = false;

async function look() {
  if (looking) return;
  looking = true;
  try {
    const state = await call("/api/state");
    drawCore(state);
    for (const box of document.querySelectorAll(".fault[data-network]")) {
      drawFaults(box, (await call(`/control/${box.dataset.network}/faults`)) || []);
      const channel = state.channels.find((c) => c.name === box.dataset.network);
      if (channel) drawLedger(box, channel);
    }
    if ($("error").dataset.away) {
      $("error").textContent = "";
      delete $("error").dataset.away;
    }
  } catch {
    $("error").textContent = "The playground does not answer; waiting for it.";
    $("error").dataset.away = "true";
  } finally {
    looking = false;
  }
}

// places are the phones on the page, left and right; the one that was chosen last
// is the latest. Where there is room for one phone, it is that. A phone that is not
// on the page holds no connection, of which a browser has few.
const places = [null, null];
const chats = {}; // by network: the customer whose phone it was, as in its address

// view puts a phone into the place of the one that was chosen longer ago, or shows
// the console where there is no room beside a phone.
function view(name) {
  document.body.dataset.view = name === "console" ? "console" : "phone";
  if (name !== "console") {
    let place = places.findIndex((p) => p?.dataset.network === name);
    if (place < 0) {
      place = places.findIndex((p) => !p?.classList.contains("latest"));
      putAway(places[place]);
      places[place] = makePhone(name, place);
    }
    places.forEach((p, i) => p?.classList.toggle("latest", i === place));
  }
  drawViews();
}

function makePhone(name, place) {
  const phone = document.createElement("iframe");
  phone.id = "phone-" + name;
  phone.className = "phone";
  phone.title = pageOf(name);
  phone.src = "/phone/" + name + (chats[name] || "");
  phone.dataset.network = name;
  phone.dataset.place = place;
  document.querySelector("main").append(phone);
  return phone;
}

function putAway(phone) {
  if (!phone) return;
  chats[phone.dataset.network] = phone.contentWindow.location.hash;
  phone.remove();
}

// drawViews marks what there was room for.
function drawViews() {
  for (const b of document.querySelectorAll(".views button")) {
    const frame = $(b.dataset.view) || $("phone-" + b.dataset.view);
    b.setAttribute("aria-pressed", String(Boolean(frame?.getClientRects().length)));
  }
}
addEventListener("resize", drawViews);

function addNetwork(name, title) {
  const link = document.createElement("a");
  link.href = "/phone/" + name;
  link.target = "_blank";
  link.textContent = pageOf(name);
  $("links").append(link);

  const box = $("fault").content.firstElementChild.cloneNode(true);
  box.dataset.network = name;
  box.querySelector(".title").textContent = title;
  if (name === "mail") box.querySelector("[data-fault=duplicate]").remove(); // a mail host brings nothing by itself
  document.querySelector(".faults").append(box);

  const button = document.createElement("button");
  button.type = "button";
  button.dataset.view = name;
  button.textContent = pageOf(name);
  document.querySelector(".views [data-view=console]").before(button);
}

for (const [name, title] of Object.entries(networks)) addNetwork(name, title);
for (const name of ["omnichannel", "telegram"]) view(name);
document.querySelector(".views").addEventListener("click", (e) => {
  const b = e.target.closest("button");
  if (b) view(b.dataset.view);
});

look();
setInterval(() => document.visibilityState === "visible" && look(), 1000);
