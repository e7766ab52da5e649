// Cuts Twilio's description of its APIs to what the connectors use, as one file
// that a validating proxy reads. Usage:
//
//	node cut.mjs FILE
//
// The description is Twilio's own, as its command line client carries it. It is
// made stricter and, where it is known to be wrong, mended:
//
//   - A member of an answer that Twilio does not describe is a violation. (The
//     proxy passes over fields of forms, which the test compares itself.)
//   - Every described member of an account, a message, a file, and a list must be
//     there: so it is in all examples that Twilio gives, and null stands for what
//     there is not.
//   - MediaUrl is described as a list, which makes a proxy refuse the form that
//     Twilio's own libraries send, one MediaUrl or several. It is left to the
//     tests of the connector.
//   - The addresses in a list's answer are described as URIs and are paths in all
//     examples.
//   - DateSent is described as a date with time, and in words as a date too.
//   - What a phone number has not set is "" in all examples, also where an address
//     or an identifier is described.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

const [, , target] = process.argv;
const folder = join(dirname(createRequire(import.meta.url).resolve("@twilio/cli-core/package.json")), "src/services/twilio-api");
const read = (name) => JSON.parse(readFileSync(join(folder, `twilio_${name}.json`)));

// Where each API is: its description, what stands before its paths at the proxy,
// and the paths.
const messages = "/2010-04-01/Accounts/{AccountSid}/Messages";
const apis = [
  ["api_v2010", "", [
    "/2010-04-01/Accounts/{Sid}.json", `${messages}.json`, `${messages}/{Sid}.json`, `${messages}/{MessageSid}/Media.json`,
    "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json", "/2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers/{Sid}.json",
  ]],
  ["messaging_v1", "/messaging", ["/v1/Services", "/v1/Services/{Sid}"]],
  ["messaging_v2", "/messaging", ["/v2/Indicators/Typing.json", "/v2/Channels/Senders", "/v2/Channels/Senders/{Sid}"]],
  ["monitor_v1", "/monitor", ["/v1/Alerts"]],
];

const spec = { openapi: "3.0.1", info: { title: "Twilio", version: "cut" }, paths: {}, components: { schemas: {}, securitySchemes: {} } };

// slim drops words, examples, and servers: the proxy is the server.
const slim = (x) => Array.isArray(x) ? x.map(slim) : x === null || typeof x !== "object" ? x : Object.fromEntries(
  Object.entries(x).filter(([name, v]) => !(name === "description" && typeof v === "string") && !["examples", "x-twilio", "servers", "example"].includes(name))
    .map(([name, v]) => [name, slim(v)]));

// take copies the schemas that x refers to.
const take = (x, schemas) => {
  if (x === null || typeof x !== "object") return;
  const name = typeof x.$ref === "string" && x.$ref.replace("#/components/schemas/", "");
  if (name && !spec.components.schemas[name]) {
    if (!schemas[name]) throw new Error(`${x.$ref} is not there`);
    spec.components.schemas[name] = slim(schemas[name]);
    take(schemas[name], schemas);
  }
  Object.values(x).forEach((v) => take(v, schemas));
};

// strict refuses what a schema does not describe; whole wants all that it does.
const strict = (schema) => {
  if (schema?.properties) schema.additionalProperties = false;
  return schema;
};
const whole = (schema) => {
  if (strict(schema)?.properties) schema.required = Object.keys(schema.properties);
  return schema;
};

for (const [name, prefix, paths] of apis) {
  const api = read(name);
  for (const path of paths) {
    if (!api.paths[path]) throw new Error(`${path} is not described`);
    const item = slim(api.paths[path]);
    take(item, api.components.schemas);
    spec.paths[prefix + path] = item;
    for (const method of ["get", "post"]) {
      const form = item[method]?.requestBody?.content["application/x-www-form-urlencoded"];
      if (form?.schema.$ref) form.schema = slim(api.components.schemas[form.schema.$ref.split("/").pop()]);
      for (const answer of Object.values(item[method]?.responses ?? {})) {
        const schema = answer.content?.["application/json"]?.schema;
        if (name === "api_v2010") whole(schema);
        else strict(schema);
      }
    }
  }
  Object.assign(spec.components.securitySchemes, api.components.securitySchemes);
}
for (const [name, schema] of Object.entries(spec.components.schemas)) {
  if (/^api\.v2010\.account(\.message.*)?$/.test(name)) whole(schema);
  else strict(schema);
}

// Mend what is wrong. What is not as expected any more must be looked at again.
const list = spec.paths[`${messages}.json`];
const form = list.post.requestBody.content["application/x-www-form-urlencoded"].schema.properties;
if (form.MediaUrl.type !== "array") throw new Error("MediaUrl is described in another way now");
form.MediaUrl = {};
for (const path of Object.values(spec.paths)) {
  const properties = path.get?.responses["200"]?.content["application/json"].schema.properties ?? {};
  for (const [name, schema] of Object.entries(properties)) if (/(^|_)uri$/.test(name)) schema.format = "uri-reference";
}
for (const parameter of list.get.parameters) if (parameter.name.startsWith("DateSent")) delete parameter.schema.format;
const unset = ["sms_application_sid", "sms_url", "sms_fallback_url", "status_callback"];
const number = spec.components.schemas["api.v2010.account.incoming_phone_number"].properties;
for (const name of unset) number[name] = { anyOf: [number[name], { type: "string", enum: [""] }] };

writeFileSync(target, JSON.stringify(spec));
process.stdout.write(JSON.stringify({ paths: Object.keys(spec.paths).length }) + "\n");
