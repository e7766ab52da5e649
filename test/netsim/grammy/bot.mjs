// A bot as people write them, on a library that knows nothing of this project.
// It proves the simulated Telegram right: what this library sends must be
// understood, and what it gets must be what it expects. Usage:
//
//	node bot.mjs API_ROOT TOKEN
//
// It writes one JSON line for each thing it saw, and ends on SIGTERM.
import { autoRetry } from "@grammyjs/auto-retry";
import { Bot, GrammyError, InlineKeyboard, InputFile, InputMediaBuilder } from "grammy";

const [, , apiRoot, token] = process.argv;
const say = (saw, more = {}) => process.stdout.write(JSON.stringify({ saw, ...more }) + "\n");

const bot = new Bot(token, { client: { apiRoot } });
bot.api.config.use(async (prev, method, payload, signal) => {
  const answer = await prev(method, payload, signal);
  if (answer.error_code === 429) say("429", { method, after: answer.parameters.retry_after });
  return answer;
});
bot.api.config.use(autoRetry());

bot.command("start", (ctx) =>
  ctx.reply(`welcome ${ctx.match}`, {
    reply_markup: new InlineKeyboard().text("Yes", "answer:yes").text("No", "answer:no"),
  }));
bot.command("file", (ctx) =>
  ctx.replyWithDocument(new InputFile(Buffer.from("a document, ünïcode"), "letter.txt"), { caption: "your file" }));
bot.command("album", (ctx) => {
  const pixel = Buffer.from(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==", "base64");
  return ctx.replyWithMediaGroup([1, 2].map((n) =>
    InputMediaBuilder.photo(new InputFile(pixel, `${n}.png`), { caption: `picture ${n}` })));
});
bot.command("broken", async (ctx) => {
  try {
    await ctx.reply("<b>broken", { parse_mode: "HTML" });
  } catch (error) {
    if (!(error instanceof GrammyError)) throw error;
    await ctx.reply(`${error.error_code}: ${error.description}`);
  }
});
bot.on("callback_query:data", async (ctx) => {
  await ctx.answerCallbackQuery({ text: `pressed ${ctx.callbackQuery.data}` });
  await ctx.editMessageText(`you chose ${ctx.callbackQuery.data}`);
});
bot.on("message:photo", async (ctx) => {
  const file = await ctx.getFile();
  const answer = await fetch(`${apiRoot}/file/bot${token}/${file.file_path}`);
  const bytes = new Uint8Array(await answer.arrayBuffer());
  await ctx.reply(`photo of ${bytes.length} bytes`, { reply_parameters: { message_id: ctx.msg.message_id } });
});
bot.on("message:location", (ctx) => ctx.replyWithLocation(ctx.msg.location.latitude, ctx.msg.location.longitude));
bot.on("message:contact", (ctx) => ctx.reply(`${ctx.msg.contact.first_name} ${ctx.msg.contact.phone_number}`));
bot.on("message:text", async (ctx) => {
  await ctx.replyWithChatAction("typing");
  await ctx.reply(`<i>echo</i> ${ctx.msg.text.replaceAll("&", "&amp;").replaceAll("<", "&lt;")}`, { parse_mode: "HTML" });
});
bot.on("edited_message:text", (ctx) => ctx.reply(`edited: ${ctx.msg.text}`));
bot.on("message_reaction", (ctx) => say("reaction", { emoji: ctx.reactions().emoji }));
bot.on("my_chat_member", (ctx) => say("member", { status: ctx.myChatMember.new_chat_member.status }));
bot.catch((error) => say("error", { text: String(error.error ?? error) }));

// start ends as soon as its poll does; stop ends when what was handled is
// confirmed, and that is what "stopped" says.
let stopped;
process.once("SIGTERM", () => { stopped = bot.stop(); });
await bot.start({
  allowed_updates: ["message", "edited_message", "callback_query", "message_reaction", "my_chat_member"],
  onStart: (me) => say("started", { username: me.username }),
});
await stopped;
say("stopped");
