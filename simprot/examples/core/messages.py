"""Messages - mail and short messages - at the example core (SPEC.md 13)."""

import asyncio
import uuid

from simprot import now

ANSWER = 90  # seconds a gateway has for ES_MESSAGE_SENT (M4)


class Messages:
    """gateways is a list of GatewayInfo. write(**event) stores an event and gives it to apply."""

    def __init__(self, gateways, write, show, resend=ANSWER):
        self.gateways, self.write, self.show, self.resend = gateways, write, show, resend
        self.known = {}  # (GatewayId, DeliverySystemId): the MessageId (M6)
        self.waiting = {}  # by MessageId: SENDING without an answer
        self.asked = {}  # by address: the session that asked last for its gateways (13.4)

    def apply(self, event):
        if "received" in event:
            self.known[tuple(event["received"])] = event["message"]
        elif "sending" in event:
            self.waiting[event["message"]] = event["sending"]
        else:
            self.waiting.pop(event["message"], None)

    def start(self):
        """Goes on with what an earlier process was not answered; when it sent it, nobody knows any more."""
        for id in self.waiting:
            asyncio.get_running_loop().call_later(self.resend, self.send, id)

    def es_sl_getgateways(self, session, packet):
        """The whole register of that address (M1)."""
        self.asked[packet.payload] = session
        found = [g for g in self.gateways if g["PeerAddress"] == packet.payload]
        session.send("SE_SL_MSGGATEWAYS", found, packet.ask)

    def es_message_receiving(self, session, packet):
        """Stored, then answered, once; what is known already keeps its MessageId (M2, M3, M6)."""
        p = packet.payload
        gateway, name = p.get("GatewayId"), p.get("DeliverySystemId")
        answer = {"RefId": gateway, "Reference": p.get("RequestId"), "TimeStamp": now()}
        inbound = any(g["Id"] == gateway and g["Direction"] == "I" for g in self.gateways)
        if not inbound or not name:
            session.send("SE_MESSAGE_RECEIVED", {**answer, "Data": "false"})
            return
        again = (gateway, name) in self.known
        if not again:
            self.write(message=str(uuid.uuid4()), received=[gateway, name], content=p)
        session.send("SE_MESSAGE_RECEIVED", {**answer, "Id": self.known[gateway, name], "Data": "true"})
        self.show("message", p.get("RemoteAddress", "somebody"), "-- again" if again else ":", p.get("SubjectField", ""))

    def mail(self, gateway, to, text, **more):
        """Sends a message to a customer by the outbound gateway of that Id."""
        id = str(uuid.uuid4())
        self.write(message=id, sending={
            "MessageId": id, "GatewayId": gateway, "DeliverySystemId": id + "@core.example", "RemoteAddress": to, "Direction": "O",
            "ReceivedSentTime": now(), "BodyText": text, **more})
        self.send(id)

    def send(self, id):
        """Writes SENDING, and again while it has no answer (M4, M5)."""
        message = self.waiting.get(id)
        if message is None:
            return
        address = next((g["PeerAddress"] for g in self.gateways if g["Id"] == message["GatewayId"]), None)
        session = self.asked.get(address)
        if session:
            session.send("SE_MESSAGE_SENDING", message)  # to nobody when it has ended
        asyncio.get_running_loop().call_later(self.resend, self.send, id)

    def es_message_sent(self, session, packet):
        p = packet.payload
        id = p.get("Id")
        if id not in self.waiting:
            return
        self.write(message=id, sent=p.get("Reference"), error=p.get("Data"))
        self.show("message", "-- not sent:" if p.get("Data") else "-- sent", p.get("Data", ""))
