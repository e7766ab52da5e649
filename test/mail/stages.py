"""A mail server that says what its recipient's name asks for: rcpt-550-5.1.1@ is
refused at RCPT, dot-451-4.3.0@ after the mail, dot-none@ gets no answer to it."""

import asyncio
import sys

from aiosmtpd.controller import Controller


def asked(stage, address):
    name = address.split("@")[0].split("-")
    if name[0] != stage:
        return None
    if name[1] == "none":
        return "none"
    return f"{name[1]} {name[2]} as asked"


class Stages:
    async def handle_RCPT(self, server, session, envelope, address, options):
        answer = asked("rcpt", address)
        if answer:
            return answer
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server, session, envelope):
        answer = asked("dot", envelope.rcpt_tos[0])
        if answer == "none":
            server.transport.abort()
            await asyncio.sleep(3600)
        return answer or "250 2.0.0 taken"


Controller(Stages(), hostname="127.0.0.1", port=int(sys.argv[1])).start()
asyncio.new_event_loop().run_forever()
