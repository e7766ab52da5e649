// What Twilio posts: every group of fields that is known, both networks, and
// what is hard to sign. The identifiers mean nobody.
import { createHash } from "node:crypto";

export const account = "AC00000000000000000000000000000001";
export const token = "0123456789abcdef0123456789abcdef";
export const other = "fedcba9876543210fedcba9876543210"; // while tokens are changed
const service = "MG00000000000000000000000000000001";
const gateway = "https://kit.example.com";
const number = "+420800123456"; // the channel's
const ann = "+420601234567";

export const requests = [];
const add = (name, url, params, more = {}) => requests.push({ name, url, params, token, ...more });
const sid = (kind, name) => kind + createHash("md5").update(name).digest("hex");

// customer is what stands in every message of a customer.
const customer = (name, fields) => {
  const message = sid(Number(fields.NumMedia) > 0 ? "MM" : "SM", name);
  return {
    ToCountry: "CZ", SmsMessageSid: message, NumMedia: "0", SmsSid: message, SmsStatus: "received",
    Body: "", NumSegments: "1", MessageSid: message, AccountSid: account, ApiVersion: "2010-04-01", ...fields,
  };
};
const media = (name, ...types) => Object.fromEntries([["NumMedia", String(types.length)], ...types.flatMap((type, n) => [
  [`MediaContentType${n}`, type],
  [`MediaUrl${n}`, `https://api.twilio.com/2010-04-01/Accounts/${account}/Messages/${sid("MM", name)}/Media/${sid("ME", name + n)}`],
])]);

const whatsapp = (name, fields, more = {}) => {
  const { url = `${gateway}/connector/whatsapp/message`, ...rest } = more;
  add(`whatsapp-${name}`, url, customer(`whatsapp-${name}`, {
    From: `whatsapp:${ann}`, To: `whatsapp:${number}`, ProfileName: "Ann Lee", WaId: ann.slice(1), MessageType: "text",
    ChannelMetadata: JSON.stringify({ type: "whatsapp", data: { context: { ProfileName: "Ann Lee", WaId: ann.slice(1) } } }),
    ...fields,
  }), rest);
};
const sms = (name, fields, more = {}) => {
  const { url = `${gateway}/connector/sms/message`, ...rest } = more;
  add(`sms-${name}`, url, customer(`sms-${name}`, {
    From: ann, To: number, FromCountry: "CZ", FromCity: "", FromState: "", FromZip: "", ToCity: "", ToState: "", ToZip: "", ...fields,
  }), rest);
};

// WhatsApp, kind by kind.
whatsapp("text", { Body: "good morning" });
whatsapp("unicode", { Body: "Dobrý den, čau 😀 👩‍👩‍👧 \u202eabce\u0301 中文 & = + % ' \" ~ *", ProfileName: "Aňa 'O’Hara' 🌻" });
whatsapp("lines", { Body: "first\r\nsecond\n\n  fourth\t" });
whatsapp("controls", { Body: "a\u0000b\u0007c\u001b[31md\u2028e\ufefff" });
whatsapp("no-name", { Body: "who am I", ProfileName: "" });
whatsapp("image", { MessageType: "image", Body: "the broken one", ...media("whatsapp-image", "image/jpeg") });
whatsapp("document", { MessageType: "document", Body: "invoice 17.pdf", ...media("whatsapp-document", "application/pdf") });
whatsapp("voice", { MessageType: "audio", ...media("whatsapp-voice", "audio/ogg") });
whatsapp("video", { MessageType: "video", ...media("whatsapp-video", "video/mp4") });
whatsapp("sticker", { MessageType: "sticker", ...media("whatsapp-sticker", "image/webp") });
whatsapp("contact", { MessageType: "contacts", ...media("whatsapp-contact", "text/vcard") });
whatsapp("location", { MessageType: "location", Latitude: "50.087500", Longitude: "14.421389" });
whatsapp("place", {
  MessageType: "location", Latitude: "-33.8568", Longitude: "151.2153", Label: "Sydney Opera House", Address: "Bennelong Point, Sydney NSW 2000",
});
whatsapp("button", {
  MessageType: "button", Body: "Yes", ButtonText: "Yes", ButtonPayload: "answer:yes",
  OriginalRepliedMessageSid: sid("MM", "a template"), OriginalRepliedMessageSender: `whatsapp:${number}`,
});
whatsapp("quick-reply", { MessageType: "interactive", Body: "No, thanks", ButtonText: "No, thanks", ButtonPayload: "answer:no" });
whatsapp("list", { MessageType: "interactive", Body: "Monday", ListId: "day:1", ListTitle: "Monday" });
whatsapp("reply", {
  Body: "this one", OriginalRepliedMessageSid: sid("SM", "an answer"), OriginalRepliedMessageSender: `whatsapp:${number}`,
});
whatsapp("forwarded", { Body: "look", Forwarded: "true" });
whatsapp("forwarded-often", { Body: "look", Forwarded: "true", FrequentlyForwarded: "true" });
whatsapp("advertisement", {
  Body: "is it still free?", ReferralBody: "Rooms with a view", ReferralHeadline: "Hotel Zenith", ReferralSourceId: "120210000000000001",
  ReferralSourceType: "ad", ReferralSourceUrl: "https://fb.me/1a2b3c", ReferralCtwaClid: "ARAkLkA8rmlFeiCktEJQ-QTwRiyYHAFDLMNDBH0CD3qpjd0HR4irJ6LEkR7JwLF4XvnO2E4Nx0",
  ReferralMediaContentType: "image/jpeg", ReferralMediaUrl: "https://scontent.example.com/v/t45?stp=dst&x=1", ReferralNumMedia: "1",
});
whatsapp("user-id", { Body: "no number of mine", From: "whatsapp:ID.4503599627370001", WaId: "", ExternalUserId: "whatsapp:ID.4503599627370001" });
whatsapp("user-id-and-number", { Body: "both", ExternalUserId: "whatsapp:ID.4503599627370002" });
whatsapp("service", { Body: "to the service", MessagingServiceSid: service });
whatsapp("stop", { Body: "STOP", OptOutType: "STOP" });
whatsapp("start", { Body: "Start", OptOutType: "START" });
whatsapp("help", { Body: "HELP", OptOutType: "HELP" });
whatsapp("unknown-kind", { MessageType: "hologram", HologramUrl: "https://example.com/h", Body: "" });
whatsapp("new-fields", { Body: "with fields of next year", ZzNew: "", aLower: "x", Ümlaut: "ü", "With Space": "a b", "": "no name" });
whatsapp("order", { Body: "names in order", b: "1", B: "2", a: "3", A1: "4", A: "5", _: "6" });
whatsapp("other-token", { Body: "while tokens are changed" }, { token: other });

// Short messages.
sms("text", { Body: "good morning" });
sms("unicode", { Body: "žluťoučký 😀 '%27+ %2B", NumSegments: "1" });
sms("long", { Body: "0123456789".repeat(60), NumSegments: "4" });
sms("geography", {
  Body: "hello", From: "+14155550123", FromCity: "SAN FRANCISCO", FromState: "CA", FromZip: "94107", FromCountry: "US",
  To: "+420800123456", ToCity: "PRAGUE", ToState: "", ToZip: "", ToCountry: "CZ",
});
sms("picture", { Body: "", ...media("sms-picture", "image/jpeg") });
sms("pictures", { Body: "three", ...media("sms-pictures", "image/jpeg", "image/png", "text/x-vcard") });
sms("ten-files", { Body: "", ...media("sms-ten-files", ...Array(10).fill("image/gif")) });
sms("empty", { Body: "" });
sms("short-code", { Body: "your code", From: "90210", FromCountry: "" });
sms("letters", { Body: "from a name", From: "ACME" });
sms("service", { Body: "to the service", MessagingServiceSid: service });
sms("stop", { Body: "Stop", OptOutType: "STOP" });
sms("start", { Body: "UNSTOP", OptOutType: "START" });
sms("help", { Body: "info", OptOutType: "HELP" });
sms("stop-word", { Body: " StopAll " }); // no Advanced Opt-Out: the word alone
sms("other-token", { Body: "while tokens are changed" }, { token: other });

// What became of messages of ours.
const status = (network, name, status, fields = {}, url) => {
  const prefix = network === "whatsapp" ? "whatsapp:" : "";
  const message = sid("SM", `ours-${network}`);
  add(`status-${network}-${name}`, url ?? `${gateway}/connector/${network}/status?ref=core-1%231`, {
    ApiVersion: "2010-04-01", MessageStatus: status, SmsSid: message, SmsStatus: status, MessageSid: message, AccountSid: account,
    To: prefix + ann, From: prefix + number, ...(prefix && { ChannelPrefix: "whatsapp", ChannelInstallSid: sid("XE", "install"), StructuredMessage: "false" }),
    ...fields,
  });
};
for (const network of ["whatsapp", "sms"]) {
  for (const name of ["accepted", "scheduled", "queued", "sending", "sent", "delivered", "canceled", "teleported"]) status(network, name, name);
  status(network, "service", "delivered", { MessagingServiceSid: service });
  status(network, "no-ref", "delivered", {}, `${gateway}/connector/${network}/status`);
  status(network, "no-status", "", {});
}
status("whatsapp", "read", "read", { EventType: "READ" });
status("whatsapp", "delivered-event", "delivered", { EventType: "DELIVERED" });
status("whatsapp", "window", "failed", { ErrorCode: "63016", ChannelStatusMessage: "Failed to send freeform message: outside the allowed window", EventType: "UNDELIVERED" });
status("whatsapp", "undelivered", "undelivered", { ErrorCode: "63024" });
status("whatsapp", "user-id", "read", { EventType: "READ", To: "whatsapp:ID.4503599627370001" });
status("sms", "undelivered", "undelivered", { ErrorCode: "30003", RawDlrDoneDate: "2611230102" });
status("sms", "failed", "failed", { ErrorCode: "30007" });
status("sms", "stopped", "failed", { ErrorCode: "21610" });
status("sms", "odd-code", "failed", { ErrorCode: "not a number" });

// The address: what is signed is the one that was entered at Twilio, byte for
// byte, and sometimes with the port of its scheme, sometimes without.
const at = (name, url, more = {}) => whatsapp(`url-${name}`, { Body: `by ${name}` }, { url, ...more });
const path = "/connector/whatsapp/message";
at("port-added", gateway + path, { signed_url: `${gateway}:443${path}` });
at("port-removed", `${gateway}:443${path}`, { signed_url: gateway + path });
at("port-default", `${gateway}:443${path}`);
at("port-odd", `${gateway}:8443${path}`);
at("port-odd-removed", `${gateway}:8443${path}`, { signed_url: gateway + path });
at("http", `http://kit.example.com${path}`, { signed_url: `http://kit.example.com:80${path}` });
at("address", `https://[2001:db8::1]:8443${path}`);
at("upper-case", `https://Kit.Example.COM${path}`);
at("base", `${gateway}/base/path${path}`);
at("query", `${gateway}${path}?b=2&a=1&b=1&c`);
at("query-empty", `${gateway}${path}?`);
at("query-escapes", `${gateway}${path}?x=a%20b+c%2fd%2FD&y=%7e~&z=%C3%BC`);
at("query-odd", `${gateway}${path}?q='it's'&(x)=[1]&a;b&=&&d=%`.replace("d=%", "d=!*"));
at("query-apostrophe", `${gateway}${path}?name=O'Hara`);
at("query-apostrophe-escaped", `${gateway}${path}?name=O%27Hara`);
at("user", `https://user:pass@kit.example.com${path}`);
at("user-port", `https://user:pass@kit.example.com${path}`, { signed_url: `https://user:pass@kit.example.com:443${path}` });
at("slash", `${gateway}${path}/`);
at("path-escapes", `${gateway}/base%20a/%c3%bc/it's${path}`);

// Fields given more than once: each distinct value, in order, the name before each.
whatsapp("repeated", { Body: ["second", "first", "second"], Extra: ["b", "a"] });
whatsapp("repeated-same", { Body: ["twice", "twice"] });
sms("repeated", { Body: "once", To: number, Tag: ["z", "", "Z", "ž", "z"] });

// A body that is no form: its hash stands in the address, which alone is signed.
const json = (name, url, body) => {
  const hash = createHash("sha256").update(body, "utf8").digest("hex");
  requests.push({ name: `json-${name}`, url: url + (url.includes("?") ? "&" : "?") + `bodySHA256=${hash}`, body, token });
};
json("whatsapp", gateway + path, JSON.stringify({ MessageSid: sid("SM", "json"), AccountSid: account, From: `whatsapp:${ann}`, To: `whatsapp:${number}`, Body: "as JSON 😀" }));
json("sms", `${gateway}/connector/sms/message`, JSON.stringify({ MessageSid: sid("SM", "json-sms"), AccountSid: account, From: ann, To: number, Body: "as JSON" }));
json("spaces", `${gateway}${path}?a=%20b`, ' { "AccountSid" : "' + account + '" }\r\n');
json("empty", gateway + path, "");

// Next to nothing.
add("no-fields", gateway + path, {});

// The example of Twilio's documentation.
add("documentation", "https://mycompany.com/myapp.php?foo=1&bar=2", {
  CallSid: "CA1234567890ABCDE", Caller: "+14158675309", Digits: "1234", From: "+14158675309", To: "+18005551212",
}, { token: "12345" });
