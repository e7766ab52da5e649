"""One connection of a gateway: login, keep-alive and its end (SPEC.md 2.1 and 6)."""

import asyncio
import hmac
import random
import socket
import struct
import sys
import time
import traceback
import uuid

import simprot
from simprot import Packet

LOGIN, KEEP_ALIVE, PONG = 10, 15, 5  # seconds
LOGIN_FRAME = 64 << 10  # bytes


class Reader(asyncio.StreamReader):
    """Notes when the last byte came."""

    heard = 0.0

    def feed_data(self, data):
        self.heard = time.monotonic()
        super().feed_data(data)


class Sessions:
    """The connections that have logged in. take(session, packet) gets what is no session control."""

    def __init__(self, account, secret, peer, take):
        self.account, self.secret, self.peer, self.take = account, secret, peer, take
        self.open = set()

    async def listen(self, host, port):
        def connected():
            return asyncio.StreamReaderProtocol(Reader(), lambda reader, writer: Session(self, reader, writer).run())

        return await asyncio.get_running_loop().create_server(connected, host, port)

    def refusal(self, login):
        pairs = (login.get("Account", ""), self.account), (login.get("Secret", ""), self.secret)
        if not all([hmac.compare_digest(a.encode(), b.encode()) for a, b in pairs]):
            return "credentials"
        return "version" if login.get("Version") != 1 else "peer" if login.get("Peer") != self.peer else ""

    async def leave(self):
        """Tells the gateways that this core ends and when to come back (6.3)."""
        leaving = list(self.open)
        for session in leaving:
            session.send("SP_BYE", {"Reason": "restart", "RetryAfterMs": random.randint(500, 2000)})
            session.writer.close()
        await asyncio.gather(*(session.writer.wait_closed() for session in leaving), return_exceptions=True)


class Session:
    def __init__(self, all, reader, writer):
        self.all, self.reader, self.writer = all, reader, writer
        self.encoding, self.most = "msgpack", simprot.MAX_FRAME  # of what is sent
        self.token, self.pong = None, asyncio.Event()

    def send(self, code, payload, ask="", more=False):
        """Queues a packet; False when it is above the gateway's MaxFrame."""
        frame = simprot.encode(Packet(code, payload, ask, more), self.encoding)
        if len(frame) - 4 > self.most:
            return False
        if not self.writer.is_closing():
            self.writer.write(frame)
        return True

    def abort(self):
        """Resets the connection. Nothing more is handled of what was read from it."""
        self.all.open.discard(self)
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.task.cancel()

    async def run(self):
        self.task, alive = asyncio.current_task(), None
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            self.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 10_000)
        try:
            if await asyncio.wait_for(self.login(), LOGIN):
                alive = asyncio.create_task(self.keep_alive())
                await self.read()
            self.writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.writer.close()
        except (simprot.Close, simprot.Skip, asyncio.TimeoutError) as e:
            print("closed:", repr(e), file=sys.stderr)
            self.abort()
        except Exception:
            traceback.print_exc()
            self.abort()
        finally:
            self.all.open.discard(self)
            if alive:
                alive.cancel()

    async def login(self):
        """Reads SP_LOGIN and answers it; False when the gateway was refused (6.1)."""
        body = await simprot.read_frame(self.reader, LOGIN_FRAME)
        packet = simprot.decode(body) if body else None
        if packet is None or packet.code != "SP_LOGIN":
            raise simprot.Close("no login")
        login = packet.payload
        reason = self.all.refusal(login)
        if reason:
            self.send("SP_REFUSED", {"Reason": reason})
            return False
        self.peer, self.instance = login["Peer"], login.get("Instance", "")
        self.most = login.get("MaxFrame", self.most)
        self.encoding = "json" if login.get("Encoding") == "json" else "msgpack"
        for earlier in [s for s in self.all.open if (s.peer, s.instance) == (self.peer, self.instance)]:
            earlier.send("SP_BYE", {"Reason": "replaced"})
            earlier.abort()
        self.all.open.add(self)
        return self.send("SP_WELCOME", {
            "Server": "ExampleCore 1", "Version": 1, "MaxFrame": simprot.MAX_FRAME, "KeepAlive": KEEP_ALIVE,
            "Fences": True, "Asks": True})

    async def read(self):
        """Handles one packet after the other, which is the order they are answered in (R1)."""
        while True:
            body = await simprot.read_frame(self.reader)
            try:
                packet = simprot.decode(body) if body else None
            except simprot.Skip as e:  # R8
                print("skipped:", e, file=sys.stderr)
                continue
            if packet is None or packet.code == "SP_BYE":
                continue  # too long; or the gateway is about to close
            if packet.code == "SP_PING":
                self.send("SP_PONG", packet.payload)
            elif packet.code == "SP_PONG":
                if packet.payload.get("Token") == self.token:
                    self.pong.set()
            else:
                self.all.take(self, packet)
            await self.writer.drain()

    async def keep_alive(self):
        """Pings after a silence, and resets when nothing comes back (6.2)."""
        while True:
            silent = time.monotonic() - self.reader.heard
            if silent < KEEP_ALIVE:
                await asyncio.sleep(KEEP_ALIVE - silent)
                continue
            self.token = str(uuid.uuid4())
            self.pong.clear()
            self.send("SP_PING", {"Token": self.token})
            try:
                await asyncio.wait_for(self.pong.wait(), PONG)
            except asyncio.TimeoutError:
                print("closed: no pong", file=sys.stderr)
                self.abort()
                return
