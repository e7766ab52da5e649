// What the page asks of the control API, and nothing of how it looks.

export const network = document.body.dataset.network;
export const numbers = document.body.dataset.numbers !== undefined;
export const seen = document.body.dataset.seen || "read"; // the network's word for it
const abilities = new Set(document.body.dataset.can.split(" "));

// can tells what customers of this network can do beside writing.
export const can = (what) => abilities.has(what);

// Problem is a failure the customer is told about. status 0: nobody answered.
export class Problem extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// control gets, or with a body posts, and gives the answer's JSON.
export async function control(path, body, signal, method = "GET") {
  const request = { signal, method };
  if (body !== undefined) {
    request.method = "POST";
    request.headers = { "Content-Type": "application/json" };
    request.body = JSON.stringify(body);
  }
  let response, text;
  try {
    response = await fetch(`/control/${network}/${path}`, request);
    text = await response.text();
  } catch (e) {
    if (e.name === "AbortError") throw e;
    throw new Problem("The network does not answer.", 0);
  }
  const answer = parse(text);
  if (!response.ok) throw new Problem(answer?.error || text.trim() || response.statusText, response.status);
  return answer;
}

function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

// accounts gives [{id, title}] of what customers can write to. A bot goes by
// its user name, so that no token stands in the page's requests.
export async function accounts() {
  const list = (await control("accounts")) || [];
  return list.map((a) => (a.username ? { id: a.username, title: "@" + a.username } : { id: a.account, title: a.name || a.account }));
}

const place = (account, chat) => encodeURIComponent(account) + (chat === undefined ? "" : "/" + encodeURIComponent(chat));

export const chats = (account, signal) => control("chats/" + place(account), undefined, signal);

// conversation waits up to wait seconds for a version after the given one.
export const conversation = (account, chat, after, wait, signal) =>
  control(`chat/${place(account, chat)}?after=${after}&wait=${wait}`, undefined, signal);

// settings are the network's, null where it does not tell them; set changes some.
export const settings = () => control("settings").catch((e) => {
  if (e.status === 404) return null;
  throw e;
});
export const set = (some) => control("settings", some);

// breaks has something go wrong, as package control's faults do; mends ends all of it.
export const breaks = (fault) => control("faults", fault);
export const mends = () => control("faults", undefined, undefined, "DELETE");
export const broken = () => control("faults");

export const act = (account, action) => control("act/" + place(account), action);

// fileOf gives what the control API wants of a file somebody chose.
export function fileOf(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.addEventListener("error", () => reject(new Problem("The file cannot be read.", 0)));
    reader.addEventListener("load", () =>
      resolve({
        name: file.name,
        type: file.type || "application/octet-stream",
        base64: reader.result.slice(reader.result.indexOf(",") + 1),
      }),
    );
    reader.readAsDataURL(file);
  });
}
