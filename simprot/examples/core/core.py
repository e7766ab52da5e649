#!/usr/bin/env python3
"""A core chat server, written from SPEC.md alone: the chats and their flows
(sections 7 and 10). The bytes are in simprot.py, a connection in session.py, mail
and short messages in messages.py.

    CORE_SECRET=... python3 core.py --listen 127.0.0.1:18321 --store chats.jsonl

You are the agent. A line of stdin is a TrackingId, a blank and what you say to
that customer, or /close, or /typing. "/signal Closed" is the answer to new
chats from then on. "/mail", the Id of an outbound gateway of --gateways, an address and
a text is a message to a customer. With --bot a machine answers every customer.

One thread does everything, so the order SPEC.md asks for needs no lock. What
happens to a chat is written to the store, one JSON object a line, before anybody
is told of it; the next start reads it again.
"""

import argparse
import asyncio
import json
import os
import signal
import threading
import time
import uuid

import simprot
from messages import ANSWER, Messages
from session import Sessions
from simprot import now

LISTED = 24 * 3600  # seconds that a closed chat is listed at most (O5)
SLACK = 1000  # bytes of a frame beside its list


def show(*words):
    """Prints what others wrote, without what would steer a terminal."""
    print("".join(c if c.isprintable() else " " for c in " ".join(words)), flush=True)


def waits(sentence):
    """Whether a sentence is on its way to the customer."""
    return sentence.get("IsOutbound", False) and "ConfirmedTime" not in sentence


def size(item):
    """The bytes that a sentence or chat takes in a list, or some more."""
    code = "SE_CHAT_SENTENCE" if "Counter" in item and "Status" not in item else "SE_CHAT_STATUS"
    return max(len(simprot.encode(simprot.Packet(code, item), e)) for e in ("msgpack", "json"))


def gateways(options):
    """The register of message gateways: a file with a list of GatewayInfo."""
    if not options.gateways:
        return []
    with open(options.gateways, encoding="utf-8") as file:
        return json.load(file)


class Chat:
    def __init__(self, id, peer, port, tracking):
        self.id, self.address = id, {"Peer": peer, "Port": port, "TrackingId": tracking}
        self.status, self.closed_at, self.sentences = "Waiting", 0, []

    def closed(self):
        return self.status.startswith("Closed")

    def news(self):
        """The chat without its Sentences, which nothing but answers may have (R3)."""
        return {**self.address, "ChatId": self.id, "Status": self.status}


class Core:
    def __init__(self, options):
        self.bot, self.signal = options.bot, "Free"
        self.chats = {}  # by ChatId
        self.conversations = {}  # (Peer, Port, TrackingId): its chats, oldest first
        self.claims = {}  # (Peer, Port): the session whose RESYNC came last (O1)
        self.messages = Messages(gateways(options), self.write, show, options.resend)
        self.sessions = Sessions(options.account, os.environ["CORE_SECRET"], options.peer, self.take)
        open(options.store, "ab").close()
        self.store = open(options.store, "rb+")
        whole = 0
        for line in self.store:
            if line.endswith(b"\n"):  # else a crash cut it, and nobody was told of it
                self.apply(json.loads(line))
                whole += len(line)
        self.store.seek(whole)
        self.store.truncate()
        self.messages.start()

    def write(self, **event):
        self.store.write(json.dumps(event).encode() + b"\n")
        self.store.flush()
        os.fsync(self.store.fileno())
        self.apply(event)

    def apply(self, event):
        if "message" in event:
            self.messages.apply(event)
            return
        if "opened" in event:
            chat = self.chats[event["chat"]] = Chat(event["chat"], *event["opened"])
            self.conversations.setdefault(tuple(event["opened"]), []).append(chat)
            return
        chat = self.chats[event["chat"]]
        if "sentence" in event:
            chat.sentences.append({**event["sentence"], "Counter": len(chat.sentences) + 1})
        elif "confirmed" in event:
            chat.sentences[event["confirmed"] - 1]["ConfirmedTime"] = event["at"]
        else:
            chat.status, chat.closed_at = event["status"], event["at"]

    # --- the agent's side; what nobody asked for goes to who works the Port, else to all (7.2)

    def tell(self, chat, code, members):
        claim = self.claims.get((chat.address["Peer"], chat.address["Port"]))
        for session in [claim] if claim in self.sessions.open else list(self.sessions.open):
            session.send(code, {**chat.address, "ChatId": chat.id, **members})

    def set_status(self, chat, status):
        self.write(chat=chat.id, status=status, at=time.time())
        self.tell(chat, "SE_CHAT_STATUS", {"Status": status})

    def say(self, chat, text):
        """Where no gateway is connected, the Sentences of a later answer tell it."""
        if chat.status == "Waiting":
            self.set_status(chat, "Answered")
        sentence = {"ID": str(uuid.uuid4()), "PartyName": "Agent", "Text": text, "TimeSent": now(), "IsOutbound": True}
        self.write(chat=chat.id, sentence=sentence)
        self.tell(chat, "SE_CHAT_SENTENCE", chat.sentences[-1])

    def agent(self, line):
        name, _, words = line.strip().partition(" ")
        chats = [c for c in self.chats.values() if c.address["TrackingId"] == name and not c.closed()]
        if name == "/signal":
            self.signal = words
        elif name == "/mail" and words.count(" ") > 1:
            self.messages.mail(*words.split(" ", 2))
        elif not chats or not words:
            show("no open chat", name)
        elif words == "/close":
            self.set_status(chats[-1], "ClosedByAgent")
        elif words == "/typing":
            self.tell(chats[-1], "SE_CHAT_TYPING", {"IsTyping": True})
        else:
            self.say(chats[-1], words)

    # --- the gateway's side: one method a code; what has none is passed over (R8)

    def take(self, session, packet):
        method = getattr(self, packet.code.lower(), None)
        if packet.code.startswith("ES_CHAT_") and method:
            p = packet.payload
            key = session.peer, p.get("Port", ""), p.get("TrackingId", "")
            address = dict(zip(("Peer", "Port", "TrackingId"), key))
            chat = self.conversations.get(key, [None])[-1]  # the newest
            fenced = self.claims.get(key[:2], session) is not session
            if not (fenced and packet.code in ("ES_CHAT_START", "ES_CHAT_SENTENCE")):  # O1
                method(session, packet, p, address, chat)
        elif packet.code.startswith(("ES_SL_", "ES_MESSAGE_")):
            getattr(self.messages, packet.code.lower())(session, packet)

    def es_chat_resync(self, session, packet, p, address, chat):
        self.claims[session.peer, address["Port"]] = session
        items, room = [], session.most - SLACK
        for chat in self.chats.values():
            if (chat.address["Peer"], chat.address["Port"]) != (session.peer, address["Port"]):
                continue
            old = time.time() - chat.closed_at > LISTED or not any(map(waits, chat.sentences))
            if chat.closed() and old:  # O5
                continue
            item = {**chat.news(), "Counter": len(chat.sentences)}  # O4
            room -= size(item)
            if room < 0:
                session.send("SE_CHAT_LIST", items, packet.ask, more=True)
                items, room = [], session.most - SLACK - size(item)
            items.append(item)
        session.send("SE_CHAT_LIST", items, packet.ask)

    def es_chat_request(self, session, packet, p, address, chat):
        session.send("SE_CHAT_RESPONSE", {**address, "Signal": self.signal}, packet.ask)

    def es_chat_start(self, session, packet, p, address, chat):
        if chat is None or chat.closed():  # R2
            id = str(uuid.uuid4())
            self.write(chat=id, opened=list(address.values()))
            chat = self.chats[id]
            show(address["TrackingId"], "--", p.get("PartyName", "somebody"), "is waiting")
        self.answer(session, packet, chat, 0)

    def es_chat_status(self, session, packet, p, address, chat):
        if chat is None:
            session.send("SE_CHAT_STATUS", {**address, "Status": "Closed", "Sentences": []}, packet.ask)
        else:
            self.answer(session, packet, chat, p.get("AfterCounter", 0) if p.get("ChatId") == chat.id else 0)  # O3

    def answer(self, session, packet, chat, after):
        """Sentences, all of them (R3); where a frame cannot hold them, without the oldest (R7)."""
        sentences = chat.sentences[max(after, 0) :]
        many = len(sentences) + 10 - simprot.MAX_OBJECTS
        if many <= 0 and session.send("SE_CHAT_STATUS", {**chat.news(), "Sentences": sentences}, packet.ask):
            return
        sizes = [size(s) for s in sentences]
        over, kept = sum(sizes) + SLACK - session.most, []
        for sentence, bytes in zip(sentences, sizes):
            if (over > 0 or many > 0) and not waits(sentence):
                over, many = over - bytes, many - 1
            else:
                kept.append(sentence)
        session.send("SE_CHAT_STATUS", {**chat.news(), "Sentences": kept}, packet.ask)

    def es_chat_sentence(self, session, packet, p, address, chat):
        if chat is None or chat.closed():  # R4
            session.send("SE_CHAT_STATUS", chat.news() if chat else {**address, "Status": "Closed"})
            return
        self.write(chat=chat.id, sentence={n: p[n] for n in ("ID", "PartyName", "Text", "TimeSent", "Model") if n in p})
        stored = chat.sentences[-1]
        session.send("SE_CHAT_SENTENCE", {**address, "ChatId": chat.id, **stored})  # R5
        show(address["TrackingId"], p.get("PartyName", ""), "(note):" if p.get("Model") else ":", p.get("Text", ""))
        self.tell(chat, "SE_CHAT_CONFIRM", {"ID": p.get("ID", ""), "TimeStamp": now()})
        if self.bot and not p.get("Model"):
            self.say(chat, "You wrote: " + p.get("Text", ""))

    def es_chat_confirm(self, session, packet, p, address, chat):
        for chat in self.conversations.get(tuple(address.values()), []):
            for s in chat.sentences:
                if waits(s) and s["ID"] == p.get("ID"):
                    self.write(chat=chat.id, confirmed=s["Counter"], at=now())
                    show(address["TrackingId"], "-- has", s["Text"])

    def es_chat_typing(self, session, packet, p, address, chat):
        if p.get("IsTyping"):
            show(address["TrackingId"], "-- is writing")

    def es_chat_stop(self, session, packet, p, address, chat):
        if chat and not chat.closed():
            self.set_status(chat, "Closed")


async def main():
    flags = argparse.ArgumentParser(description="an example core; the secret stands in CORE_SECRET")
    flags.add_argument("--listen", default="127.0.0.1:18321", help="host:port; port 0 takes a free one")
    flags.add_argument("--store", default="chats.jsonl", help="the file that keeps the chats")
    flags.add_argument("--account", default="servicelink")
    flags.add_argument("--peer", default="@servicelink")
    flags.add_argument("--gateways", help="a file with the message gateways, a JSON list of GatewayInfo")
    flags.add_argument("--resend", type=float, default=ANSWER, help="seconds after which an unanswered message is sent again")
    flags.add_argument("--bot", action="store_true", help="answer every customer")
    options = flags.parse_args()
    core, loop, stop = Core(options), asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    host, _, port = options.listen.rpartition(":")
    server = await core.sessions.listen(host, int(port))
    print("listening on %s:%d" % server.sockets[0].getsockname()[:2], flush=True)

    def typed():
        for line in open(0, "rb", buffering=0, closefd=False):
            loop.call_soon_threadsafe(core.agent, line.decode(errors="replace"))

    threading.Thread(target=typed, daemon=True).start()
    await stop.wait()
    server.close()
    await core.sessions.leave()


asyncio.run(main())
