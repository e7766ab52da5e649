// The switches above the conversation: whether phones are on and chats read, and
// whether the time in which an agent may write freely is over.

import { act, can, conversation, set, settings } from "./control.js";

const $ = (id) => document.getElementById(id);

const windowLasts = 24 * 3600e3; // milliseconds since the customer wrote
const tooLate = "63016"; // the network's error for what comes after it

let page = null; // what the page lends: does, complain, keep, customer, all
let setting = false; // a choice is on its way: the network still has the old one

export function startSwitches(lent) {
  page = lent;
  $("reach")?.addEventListener("change", reach);
  $("window")?.addEventListener("click", close);
}

// followSwitches shows what is in force: another page may have changed it.
export async function followSwitches() {
  if (!$("reach") || setting) return;
  const now = await settings();
  if (!now?.status || setting) return;
  const near = { queued: "sent", read: can("read") ? "read" : "delivered" };
  $("reach").value = near[now.status] || now.status;
}

// reach makes the choice that of the network, and lets what waited come so far.
async function reach() {
  const status = $("reach").value;
  busy(true);
  try {
    await set({ status });
    for (const { account, chat } of page.all()) {
      for (const m of (await conversation(account, chat, -1, 0)).messages || []) {
        for (const step of steps(m, status)) await act(account, { do: step, chat, message: m.id });
      }
    }
  } catch (e) {
    page.complain("That did not work: " + e.message);
  } finally {
    busy(false);
  }
}

function busy(yes) {
  setting = yes;
  $("reach").ariaBusy = String(yes);
}

// steps are the acts that bring a message of the agent's to status.
function steps(m, status) {
  if (m.from !== "agent" || status === "sent") return [];
  const waits = ["queued", "sent"].includes(m.state);
  const list = waits ? ["deliver"] : [];
  if (status === "read" && (waits || m.state === "delivered")) list.push("read");
  return list;
}

// drawWindow shows whether the agent may write freely. c.closed is the customer's
// message after which the window was closed by hand: any other one opens it.
export function drawWindow(c, messages) {
  const button = $("window");
  if (!button || !c) return;
  const last = messages.findLast((m) => m.from === "customer" && m.kind !== "service");
  c.last = last?.id;
  const told = messages.slice(messages.indexOf(last) + 1).some((m) => m.detail?.startsWith(tooLate));
  const open = Boolean(last) && last.id !== c.closed && !told && Date.now() - new Date(last.at) < windowLasts;
  button.setAttribute("aria-checked", String(open));
  button.disabled = !open;
  button.textContent = open ? "Window open" : "Window closed";
  button.title = open ? "The agent may write freely. Close it, as if the customer had written a day ago" : "The agent may send templates only, until the customer writes";
}

async function close() {
  const c = page.customer();
  if (!c || !(await page.does({ do: "expire" }))) return;
  c.closed = c.last;
  page.keep();
  $("window").setAttribute("aria-checked", "false");
  $("window").disabled = true;
  $("window").textContent = "Window closed";
}
