// Signs every request of requests.mjs with Twilio's library and writes one JSON
// file for each. Usage:
//
//	node sign.mjs FOLDER
//
// A file says what a test has to do: the gateway's address (url), the fields
// (params; several values of one name as a list) or the body, the auth token,
// and the signature. signed_url stands where Twilio signed another spelling of
// the address than the one that the gateway knows.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import twilio from "twilio";
import { requests } from "./requests.mjs";

const { getExpectedTwilioSignature, validateRequest, validateRequestWithBody } = twilio;
const documented = "RSOYDt4T1cUTdK1PDd93/VVr8B8="; // of the example in Twilio's documentation

const [, , folder] = process.argv;
mkdirSync(folder, { recursive: true });
const seen = new Set();
for (const { name, url, signed_url, params, body, token } of requests) {
  if (seen.has(name)) throw new Error(`two requests are called ${name}`);
  seen.add(name);
  const signature = getExpectedTwilioSignature(token, signed_url ?? url, params ?? {});
  const genuine = body === undefined
    ? validateRequest(token, signature, url, params)
    : validateRequestWithBody(token, signature, url, body);
  if (!genuine) throw new Error(`${name}: the library refuses what it signed`);
  const file = JSON.stringify({ name, url, signed_url, params, body, token, signature }, null, 2);
  writeFileSync(join(folder, `${name}.json`), file + "\n");
  if (name === "documentation" && signature !== documented) throw new Error("the documentation's example has another signature");
}
if (!seen.has("documentation")) throw new Error("the documentation's example is missing");
process.stdout.write(JSON.stringify({ signed: seen.size }) + "\n");
