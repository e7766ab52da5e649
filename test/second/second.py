"""The second implementation of SimProt's bytes as a filter: one JSON object a
line in, one out. What it knows stands in simprot/examples/core/simprot.py,
which was written from SPEC.md and not from the Go code.

    {"frame": hex}                                   what is read from a frame
    {"code", "fields", "ask", "more", "encoding"}    the frame of a packet
"""

import asyncio
import json
import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "simprot", "examples", "core"))
import simprot  # noqa: E402


NEXT = simprot.encode(simprot.Packet("SP_PING", {"Token": "next"}))
loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)


async def read(frame):
    """Reads a frame as a connection would, with a second one behind it."""
    reader = asyncio.StreamReader()
    reader.feed_data(frame + NEXT)
    reader.feed_eof()
    try:
        body = await simprot.read_frame(reader)
        packet = simprot.decode(body)
        answer = {"verdict": "taken", **packet._asdict()}
        answer["again"] = {e: simprot.encode(packet, e).hex() for e in ("msgpack", "json")}
    except (simprot.Close, asyncio.IncompleteReadError):
        return {"verdict": "close"}
    except simprot.Skip as e:
        answer = {"verdict": "skip", "member": e.member}
    answer["behind"] = await simprot.read_frame(reader) == NEXT[4:]
    return answer


def answer(task):
    if "frame" in task:
        return loop.run_until_complete(read(bytes.fromhex(task["frame"])))
    packet = simprot.Packet(task["code"], task["fields"], task["ask"], task["more"])
    return {"frame": simprot.encode(packet, task["encoding"]).hex()}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
