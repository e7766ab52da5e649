"""SimProt's bytes: frames, packets, values. Written from SPEC.md alone; the
numbers in the comments are its sections. Needs the msgpack library (Debian:
python3-msgpack, pip: msgpack).

A payload is a dict of members, a list of such dicts, or text. Texts, enumerations
and decimals are str, a GUID is its lower-case text, a time is RFC 3339 text in
UTC. A member that is absent, null or empty is not in the dict.
"""

import json
import math
import re
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import NamedTuple

import msgpack

MAX_FRAME = 4 << 20  # 2.2: what this side reads
LOST_FRAME = 256 << 20  # above it a frame is not even read away
MAX_DEPTH = 32  # 2.6
MAX_OBJECTS = 65536

# 5: "Name" is a text, "Name:kind" anything else, "[Class]" a list; with "?" at
# the end its empty value is a value of its own.
CLASSES = {
    "ChatServiceInfo": "Peer Port TrackingId PreferredCulture UserToken ExtResponse ResultModel:ScenarioResultInfo"
    " PartyName RemoteAddress ReturnChatId:guid? Signal:enum ScenarioModel:ScenarioInfo",
    "ChatStatusInfo": "Peer Port TrackingId ChatId:guid Status:enum AgentName AgentId:guid? Sentences:[ChatSentenceInfo]?"
    " Info:ChatInfo Panel:ChatSentenceInfo Navigation:ChatSentenceInfo CoBrowsingData:ChatSentenceInfo"
    " DeadTimeUtc:time? Counter:int AfterCounter:int",
    "ChatSentenceInfo": "Peer Port TrackingId ChatId:guid ID PartyName Text TimeSent:time IsOutbound:bool Counter:int"
    " ConfirmedTime:time? Model:int ReplyUntil:time?",
    "ChatCommandInfo": "Peer Port TrackingId ChatId:guid? ID TimeStamp:time? AgentId:guid? IsTyping:bool?"
    " Manifest:PortManifest",
    "PortManifest": "Network TextLimit:int TextUnit Files:bool Caption:int Buttons:int ButtonTitle:int ButtonPayload:int"
    " Replies:bool Templates:bool Typing:bool ReadMark:bool Delivered:bool ReplyWindow:int LateWindow:int",
    "ChatInfo": "TimeStamp:time EnqueueingTimeUtc:time PilotDialTime:time? ChatType:enum RemotePartyName RemoteAddress"
    " WorkplaceNumber WorkplaceId:guid? AgentId:guid? ProjectId:guid? LanguageId:guid? ProjectName LanguageName AgentName"
    " WaitingTime:int MaxSignalDuration:int ChatGatewayName ContactId:guid? ContactName Scenarios:[ScenarioResultItemInfo]"
    " FormDataId:guid?",
    "ScenarioResultItemInfo": "ScenarioId:guid ScenarioName Activity ResultId:guid? RemoteName DisplayName"
    " ResultCreated:time? ShowInList",
    "ScenarioResultInfo": "ScenarioId:guid ScenarioResultId:guid? TimeUtc:time Values:[ScenarioResultValueInfo]"
    " AgentId:guid? InboundCallId:guid? OutboundCallId:guid? MessageId:guid? IssueId:guid? ContactId:guid? ChatId:guid?"
    " Activity WorkflowId:guid?",
    "ScenarioResultValueInfo": "ScreenControlId:guid ResultNumber:int? ResultText ResultNumeric:decimal? ResultTime:time?"
    " TargetColumn",
    "ScenarioInfo": "ScenarioId:guid DisplayName Screens:[ScreenInfo] AgentId:guid? Culture",
    "ScreenInfo": "ScreenId:guid DisplayName Rank:int FinishButton:bool ConditionScreenControlId:guid? ConditionText"
    " Controls:[ScreenControlInfo]",
    "ScreenControlInfo": "ScreenControlId:guid DisplayName Description TargetColumn Rank:int ControlType:enum"
    " ControlNumber:int? ControlText MandatoryField:bool Parameters:[ScreenControlParameterInfo]",
    "ScreenControlParameterInfo": "ScreenControlParameterId:guid DisplayName Rank:int ResultNumber:int? ResultText"
    " DefaultItem:bool",
    "CommandInfo": "Id:guid? RefId:guid? TimeStamp:time? Reference Data:loose",
    "WebSiteRoutingInfo": "WebSiteRoutingId:guid WebApp:enum Rank:int PageUrlRegex PreferredCulture BrowserRegex"
    " UserTokenRegex ClientIpMask TimeMode:enum TimeFrom:time? TimeTo:time? TargetElementID WebResponse ScenarioId:guid?"
    " OutboundListId:guid? WorkflowId:guid? MessageId:guid? LiteralCulture ChatTrackUrl:int LogUrl:bool Template Block:bool"
    " SolicitationTimeOut:int? SolicitationDuration:int? HonorRejectPeriod:int?",
    "LiteralLookupInfo": "Peer LiteralGroup:int16 LiteralValue:int16 Culture LiteralText DisplayName",
    "GatewayInfo": "Id:guid DisplayName PeerAddress PeerPort Device Channel:enum Direction LanguageId:guid?",
    "MessageContentInfo": "DeliverySystemId InReplyToId MessageId:guid? RequestId GatewayId:guid FromField RemoteAddress"
    " ToField ToCcField ToBccField Direction ExtendedFields ReceivedSentTime:time DraftTime:time? SubjectField BodyHtml"
    " BodyText Culture Mark:int? SpamLevel:int? SignatureValidity:int? Hierarchy:int? Rating:int16?",
    "Login": "Account Secret Peer Instance Version:int Encoding MaxFrame:int64",
    "Welcome": "Server Version:int MaxFrame:int64 KeepAlive:int Fences:bool Asks:bool",
    "Refused": "Reason",
    "Ping": "Token",
    "Bye": "Reason RetryAfterMs:int64",
}

# 4: what the codes carry.
PAYLOADS = {
    "ChatServiceInfo": "ES_CHAT_REQUEST SE_CHAT_RESPONSE ES_CHAT_START",
    "ChatStatusInfo": "ES_CHAT_STATUS SE_CHAT_STATUS SC_CHAT_ALERT SC_CHAT_STATUS",
    "[ChatStatusInfo]": "SE_CHAT_LIST SC_CHAT_LIST",
    "ChatSentenceInfo": "ES_CHAT_SENTENCE SE_CHAT_SENTENCE CS_CHAT_SENTENCE SC_CHAT_SENTENCE",
    "ChatCommandInfo": "ES_CHAT_RESYNC ES_CHAT_CONFIRM SE_CHAT_CONFIRM ES_CHAT_TYPING SE_CHAT_TYPING ES_CHAT_STOP"
    " SC_CHAT_ALERT_END CS_CHAT_ANSWER CS_CHAT_HANGUP CS_CHAT_RESYNC CS_CHAT_STATUS CS_CHAT_CONFIRM SC_CHAT_CONFIRM"
    " CS_CHAT_TYPING SC_CHAT_TYPING",
    "CommandInfo": "ES_SCENARIO_LOAD SE_MESSAGE_RECEIVED ES_MESSAGE_SENT",
    "ScenarioInfo": "SE_SCENARIO_MODEL",
    "ScenarioResultInfo": "ES_SCENARIO_SAVE",
    "text": "ES_WS_ROUTING ES_SL_GETGATEWAYS",
    "[WebSiteRoutingInfo]": "SE_WS_ROUTING",
    "LiteralLookupInfo": "ES_WS_LITERALS_GET",
    "[LiteralLookupInfo]": "SE_WS_LITERALS_INFO",
    "[GatewayInfo]": "SE_SL_MSGGATEWAYS",
    "MessageContentInfo": "ES_MESSAGE_RECEIVING SE_MESSAGE_SENDING",
    "Login": "SP_LOGIN",
    "Welcome": "SP_WELCOME",
    "Refused": "SP_REFUSED",
    "Ping": "SP_PING SP_PONG",
    "Bye": "SP_BYE",
}

MISPRINTS = {"CS_CHAT_RESNYC": "CS_CHAT_RESYNC"}  # 12.2

NO_GUID = "00000000-0000-0000-0000-000000000000"
NO_TIME = "0001-01-01T00:00:00Z"
EPOCH = datetime(1970, 1, 1)
EMPTY = {"guid": NO_GUID, "time": NO_TIME}  # beside "", 0 and false


class Member(NamedTuple):
    name: str
    kind: str  # text, int, ..., a class, or a class in brackets
    own: bool  # its empty value is a value of its own


def _members(text):
    for word in text.split():
        name, _, kind = word.rstrip("?").partition(":")
        yield name, Member(name, kind or "text", word.endswith("?"))


MEMBERS = {name: dict(_members(text)) for name, text in CLASSES.items()}
CODES = {code: kind for kind, codes in PAYLOADS.items() for code in codes.split()}


class Packet(NamedTuple):
    code: str
    payload: object  # dict, list of dicts, text, or None
    ask: str = ""
    more: bool = False


class Close(Exception):
    """The connection cannot go on."""


class Skip(Exception):
    """One packet cannot be read; the connection goes on."""

    def __init__(self, reason, member=""):
        super().__init__(f"{member}: {reason}" if member else reason)
        self.reason, self.member = reason, member


class Odd:
    """A MessagePack value that is no value of ours; good in unknown members only."""


class Number(str):
    """A JSON number with a point, an exponent or many digits, as it was written."""


def now():
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- reading ---------------------------------------------------------------


async def read_frame(reader, most=MAX_FRAME):
    """Reads one frame from an asyncio.StreamReader. None stands for one that
    was too long and was read away. asyncio.IncompleteReadError is the end."""
    length = int.from_bytes(await reader.readexactly(4), "big")
    if length == 0 or length > LOST_FRAME:
        raise Close(f"a frame of {length} bytes")
    if length <= most:
        return await reader.readexactly(length)
    while length:
        length -= len(await reader.readexactly(min(length, 1 << 16)))
    return None


def decode(body):
    """Returns the Packet of a frame's body. Raises Close and Skip."""
    value = _value(body)
    if not value or type(value[0]) is not str:
        raise Skip("no code")
    code, payload, extras = (value + [None, None])[:3]
    code = MISPRINTS.get(code, code)
    kind = CODES.get(code)
    if kind is None:
        raise Skip(f"unknown code {code[:40]!r}")
    if type(payload) is str and kind != "text":
        payload = _from_json(payload)
    if payload is None:
        payload = "" if kind == "text" else [] if kind[0] == "[" else {}
    ask, more = None, None
    if type(extras) is dict:
        ask, more = _read("text", extras.get("Ask"), "extras.Ask", []), _read("bool", extras.get("More"), "extras.More", [])
    return Packet(code, _read(kind, payload, "", []), ask or "", more or False)


def _value(body):
    """Turns a body, one MessagePack array, into Python values (2.6). Keys that
    are no strings are left out with what they name."""
    unpacker = msgpack.Unpacker(max_buffer_size=len(body))
    unpacker.feed(body)

    def walk(depth):
        start = unpacker.tell()
        head = body[start]
        is_map = head >> 4 == 0x8 or head in (0xDE, 0xDF)
        if not is_map and head >> 4 != 0x9 and head not in (0xDC, 0xDD):
            unpacker.skip()
            try:
                return msgpack.unpackb(body[start : unpacker.tell()], unicode_errors="replace", timestamp=0)
            except ValueError:
                return Odd()
        if depth == MAX_DEPTH:
            raise Close("nested too deep")
        if not is_map:
            return [walk(depth + 1) for _ in range(unpacker.read_array_header())]
        members = ((walk(depth + 1), walk(depth + 1)) for _ in range(unpacker.read_map_header()))
        return {key: value for key, value in members if type(key) is str}

    try:
        value = walk(0)
    except (msgpack.UnpackException, ValueError, IndexError) as e:
        raise Close(f"no MessagePack: {type(e).__name__}") from None
    if type(value) is not list or unpacker.tell() != len(body):
        raise Close("not one array")
    return value


def _from_json(text):
    depth = 0
    for part in re.findall(r'"(?:[^"\\]|\\.)*"|[][{}]', text, flags=re.DOTALL):
        depth += (part in "[{") - (part in "]}")
        if depth > MAX_DEPTH:
            raise Skip("JSON nested too deep")
    try:
        return json.loads(text, parse_int=_json_int, parse_float=Number, parse_constant=_json_constant)
    except ValueError as e:
        raise Skip("broken JSON") from e


def _json_constant(name):
    raise ValueError(name)


def _json_int(text):
    return int(text) if len(text) < 32 else Number(text)


def _read(kind, v, where, objects):
    """Returns v as a value of the kind, None when it is null."""
    if v is None:
        return None
    if kind[0] == "[":
        if type(v) is not list:
            raise Skip("no list", where)
        return [_read(kind[1:-1], item, where, objects) for item in v if item is not None]
    if kind not in MEMBERS:
        value = READERS[kind](v)
        if value is None:
            raise Skip(f"no {kind}", where)
        return value
    if type(v) is not dict:
        raise Skip("no map", where)
    objects.append(None)
    if len(objects) > MAX_OBJECTS:
        raise Skip("too many objects", where)
    result = {}
    for name, item in v.items():
        member = MEMBERS[kind].get(name)
        if member is None:
            continue
        value = _read(member.kind, item, f"{where}.{name}" if where else name, objects)
        if value is not None and (member.own or not _empty(member.kind, value)):
            result[name] = value
    return result


def _empty(kind, value):
    return value == EMPTY.get(kind) or value in ("", 0, False)


def _text(v):
    return re.sub("[\ud800-\udfff]", "\ufffd", v) if type(v) is str else None


def _whole(v):
    """The whole number that v is, within 64 bits, or 53 when it came as a floating-point number; else None."""
    if type(v) is int:
        return v if -(2**63) <= v < 2**63 else None
    if type(v) is Number or (type(v) is float and math.isfinite(v)):
        v = Decimal(v)
    return int(v) if type(v) is Decimal and abs(v) <= 2**53 and v == int(v) else None


def _int(v, bits=31):
    v = _whole(v)
    return v if v is not None and -(2**bits) <= v < 2**bits else None


def _guid(v):
    if type(v) is bytes and len(v) == 16:
        v = re.sub("(.{8})(.{4})(.{4})(.{4})", r"\1-\2-\3-\4-", v.hex())
    if type(v) is not str:
        return None
    if v[:1] == "{" and v[-1:] == "}":
        v = v[1:-1]
    return v.lower() if re.fullmatch("[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}", v) else None


DECIMAL = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]+))?(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))?"
)


def _time(v):
    try:
        if type(v) is msgpack.Timestamp:
            return _time_text(EPOCH + timedelta(seconds=v.seconds), v.nanoseconds)
        if type(v) is str:
            return _time_from_text(TIME.fullmatch(v))
        ms = _whole(v)
        return None if ms is None else _time_text(EPOCH + timedelta(seconds=ms // 1000), ms % 1000 * 1000000)
    except (ValueError, OverflowError):
        return None


def _time_from_text(match):
    if match is None:
        return None
    day, clock, fraction, sign, hours, minutes = match.groups()
    when = datetime.fromisoformat(f"{day}T{clock}")
    if sign:
        ahead = timedelta(hours=int(hours), minutes=int(minutes))
        when += ahead if sign == "-" else -ahead
    return _time_text(when, int(((fraction or "") + "000000000")[:9]))


def _time_text(when, nanoseconds):
    fraction = f".{nanoseconds:09}".rstrip("0").rstrip(".")
    return when.isoformat(timespec="seconds") + fraction + "Z"


def _decimal(v):
    if type(v) is float and math.isfinite(v):
        v = format(Decimal(repr(v)), "f").removesuffix(".0")
    if type(v) is int:
        v = str(v)
    return str(v) if isinstance(v, str) and len(v) <= 64 and DECIMAL.fullmatch(v) else None


def _enum(v):
    return str(v) if type(v) is int and _whole(v) is not None else _text(v)


READERS = {
    "text": _text,
    "enum": _enum,
    "loose": lambda v: str(v).lower() if type(v) is bool else _enum(v),
    "bool": lambda v: v if type(v) is bool else None,
    "int": _int,
    "int16": lambda v: _int(v, 15),
    "int64": _whole,
    "guid": _guid,
    "time": _time,
    "decimal": _decimal,
}


# --- writing ---------------------------------------------------------------


def encode(packet, encoding="msgpack"):
    """Returns the frame of a packet, its payload in the encoding msgpack or json."""
    payload = packet.payload
    if payload is not None:
        payload = _plain(CODES[packet.code], payload, encoding)
        if encoding == "json" and type(payload) is not str:
            payload = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    extras = {name: value for name, value in (("Ask", packet.ask), ("More", packet.more)) if value}
    body = msgpack.packb([packet.code, payload, extras] if extras else [packet.code, payload], unicode_errors="replace")
    return len(body).to_bytes(4, "big") + body


def _plain(kind, v, encoding):
    """Turns a value into what the libraries write; members in the order of section 5."""
    if kind[0] == "[":
        return [_plain(kind[1:-1], item, encoding) for item in v]
    if kind not in MEMBERS:
        return _plain_time(v, encoding) if kind == "time" else v
    unknown = v.keys() - MEMBERS[kind].keys()
    if unknown:
        raise KeyError(f"{kind} has no {sorted(unknown)}")
    result = {}
    for name, member in MEMBERS[kind].items():
        value = v.get(name)
        if value is not None and (member.own or not _empty(member.kind, value)):
            result[name] = _plain(member.kind, value, encoding)
    return result


def _plain_time(v, encoding):
    second, _, fraction = v[:-1].partition(".")
    if encoding == "json":
        return f"{second}.{fraction[:7]}Z" if fraction else v
    seconds = (datetime.fromisoformat(second) - EPOCH) // timedelta(seconds=1)
    return msgpack.Timestamp(seconds, int((fraction + "000000000")[:9]))
