package corecheck

// Rule is one thing SPEC.md asks of cores, and how it is checked.
type Rule struct {
	Name string `json:"rule"`
	Spec string `json:"spec"` // its number in SPEC.md: R1, O1 of section 10, or a section
	// Optional rules may be left out by a core; a gateway is then slower, or
	// knows less.
	Optional bool   `json:"optional,omitempty"`
	What     string `json:"what"`     // the rule in short
	Did      string `json:"did"`      // what the check does
	Expected string `json:"expected"` // and what must come of it

	// never counts as broken when it is not offered, not even strictly: there
	// is no core yet that has it, or it cannot be seen.
	never bool
}

// Rules lists every rule, in the order of SPEC.md.
func Rules() []Rule { return append([]Rule(nil), rules...) }

var rules = []Rule{
	{Name: "big-frame", Spec: "2.2", What: "frames up to MaxFrame are taken", Did: "STATUS in a frame of exactly the core's MaxFrame", Expected: "its answer"},
	{Name: "too-long", Spec: "2.2", What: "a longer frame costs one packet", Did: "a frame of the core's MaxFrame and one byte, then a question", Expected: "the connection lives"},
	{Name: "decodes", Spec: "2.3", What: "what the core sends can be read", Did: "decoded every packet of the core", Expected: "no error"},
	{Name: "encodings", Spec: "2.4", What: "payloads are read as msgpack and as json", Did: "STATUS in each encoding, on one connection", Expected: "two answers"},
	{Name: "hostile", Spec: "2.6", What: "broken frames close the connection", Did: "frames that are no array, too deep, too long, cut short; one connection each", Expected: "the core closes each connection"},
	{Name: "undecodable", Spec: "2.6", What: "a packet that does not decode costs one packet", Did: "STATUS with a text for AfterCounter, then a question", Expected: "the connection lives"},
	{Name: "text", Spec: "3", What: "texts come back as they were sent", Did: "a sentence with letters, signs and line ends of many kinds, then STATUS", Expected: "the same Text among Sentences"},
	{Name: "welcome", Spec: "6.1", What: "a gateway is let in", Did: "connected and sent SP_LOGIN as configured", Expected: "SP_WELCOME of version 1 within 10 s"},
	{Name: "credentials", Spec: "6.1", What: "a wrong secret is refused", Did: "SP_LOGIN with another secret", Expected: "SP_REFUSED credentials, and the end of the connection"},
	{Name: "version", Spec: "6.1", What: "another version is refused", Did: "SP_LOGIN with version 1000", Expected: "SP_REFUSED version, and the end of the connection"},
	{Name: "login-first", Spec: "6.1", What: "nothing is answered before the login", Did: "STATUS as the first packet of a connection", Expected: "no answer"},
	{Name: "pong", Spec: "6.2", What: "SP_PING is answered at once", Did: "SP_PING with a token", Expected: "SP_PONG with the same token"},
	{Name: "ping", Spec: "6.2", What: "a silent connection is pinged", Did: "said nothing on a connection for the announced KeepAlive", Expected: "SP_PING"},
	{Name: "replace", Spec: "6.3", What: "a login ends earlier connections of its Peer and Instance", Did: "logged in a second time as the same Instance", Expected: "the first connection has ended"},
	{Name: "news", Spec: "7.2", What: "a chat's change is told unasked", Did: "STOP", Expected: "SE_CHAT_STATUS, Closed"},
	{Name: "list", Spec: "7.5", What: "SE_CHAT_LIST has every open chat of the Port", Did: "START, then RESYNC", Expected: "SE_CHAT_LIST with the chat"},
	{Name: "list-more", Spec: "7.5", What: "a list in several frames has More in all but the last", Did: "RESYNC of 48 chats with a MaxFrame of 8 KiB", Expected: "several frames, all but the last with More"},
	{Name: "after-counter-chat", Spec: "7.5", What: "AfterCounter of another ChatId is ignored", Did: "STATUS with AfterCounter 2 and a ChatId that is not the chat's", Expected: "all Sentences"},
	{Name: "outbound", Spec: "7.7", What: "what the agent writes is sent to the gateway", Did: "let an agent write", Expected: "SE_CHAT_SENTENCE with IsOutbound"},
	{Name: "confirm", Spec: "7.7", What: "ES_CHAT_CONFIRM is kept", Did: "CONFIRM of an agent's sentence, then STATUS", Expected: "the sentence with ConfirmedTime"},
	{Name: "chat-id", Spec: "7.7", Optional: true, What: "sentences name their chat", Did: "looked at the echo", Expected: "the ChatId of START's answer"},
	{Name: "stop", Spec: "7.10", What: "STOP ends the chat", Did: "STOP, then STATUS", Expected: "Status Closed"},
	{Name: "address", Spec: "8.1", What: "Peer, Port and TrackingId come back as they were sent", Did: "looked at RESPONSE, STATUS and the echo", Expected: "the same Peer, Port and TrackingId"},
	{Name: "limits", Spec: "8.3", What: "identifiers up to their limits are kept", Did: "a sentence with an ID of 64, a TrackingId of 128 and a PartyName of 160 characters", Expected: "the same in echo and Sentences"},
	{Name: "message-limits", Spec: "8.3", What: "a message with every field at its limit is taken", Did: "RECEIVING with identifiers, addresses and fields for people at their limits", Expected: "SE_MESSAGE_RECEIVED, true"},
	{Name: "order", Spec: "R1", What: "one connection's packets are handled and answered in order", Did: "256 sentences of two chats and 32 STATUS questions between them, without waiting", Expected: "echoes and answers in the same order"},
	{Name: "one-chat", Spec: "R2", What: "START finds the open chat", Did: "START of an open chat", Expected: "the same ChatId"},
	{Name: "reopen", Spec: "R2", What: "START of a closed chat opens a new one", Did: "START after STOP", Expected: "an open chat with another ChatId"},
	{Name: "start-sentences", Spec: "R3", What: "the answer to START carries Sentences", Did: "START of an open chat with a sentence", Expected: "Sentences with its ID"},
	{Name: "status-sentences", Spec: "R3", What: "the answer to STATUS carries Sentences", Did: "STATUS of a chat with a sentence", Expected: "Sentences"},
	{Name: "empty-sentences", Spec: "R3", What: "Sentences are [] when there are none", Did: "START and STATUS of a new chat, STATUS of an unknown one", Expected: "Sentences: []"},
	{Name: "complete", Spec: "R3", What: "Sentences are complete", Did: "STATUS of a chat with 128 sentences", Expected: "all of them"},
	{Name: "sentence-order", Spec: "R3", What: "Sentences are in the order of Counter", Did: "STATUS of a chat with 128 sentences", Expected: "Counters that rise; without Counters the order of sending"},
	{Name: "unknown-chat", Spec: "R3", What: "an unknown TrackingId is answered Closed", Did: "STATUS of a TrackingId that never was", Expected: "SE_CHAT_STATUS, Closed"},
	{Name: "only-answers", Spec: "R3", What: "only answers to START and STATUS carry Sentences", Did: "looked at news, at what takes the echo's place, and at SE_CHAT_LIST", Expected: "no Sentences"},
	{Name: "closed-chat", Spec: "R4", What: "a closed chat takes no sentence", Did: "a sentence after STOP, then STATUS", Expected: "no echo, and not among Sentences"},
	{Name: "closed-news", Spec: "R4", What: "SE_CHAT_STATUS takes the echo's place", Did: "a sentence after STOP", Expected: "SE_CHAT_STATUS, Closed"},
	{Name: "echo", Spec: "R5", What: "a sentence is echoed under its ID", Did: "a sentence", Expected: "SE_CHAT_SENTENCE with the same ID, IsOutbound false"},
	{Name: "echo-once", Spec: "R5", What: "one echo for one sentence", Did: "a sentence, then a question", Expected: "one echo before the answer"},
	{Name: "stored", Spec: "R5", What: "what is echoed is stored", Did: "a sentence, then STATUS", Expected: "the sentence among Sentences"},
	{Name: "duplicates", Spec: "R5", What: "an ID sent twice is echoed no more often than it was sent", Did: "one sentence twice, then STATUS", Expected: "one or two echoes; once or twice among Sentences"},
	{Name: "answers", Spec: "R6", What: "every question is answered", Did: "RESYNC, REQUEST, START, STATUS", Expected: "LIST, RESPONSE with a Signal, STATUS, STATUS"},
	{Name: "asker", Spec: "R6", What: "answers go to the connection that asked", Did: "STATUS on a connection that has not claimed the Port", Expected: "its answer there"},
	{Name: "max-frame", Spec: "R7", What: "no frame is above the gateway's MaxFrame", Did: "STATUS and RESYNC with a MaxFrame of 8 KiB, where there is more", Expected: "frames of at most 8 KiB"},
	{Name: "cut-oldest", Spec: "R7", What: "an answer that is too long leaves out the oldest Sentences", Did: "STATUS of 16 KiB of sentences with a MaxFrame of 8 KiB", Expected: "the newest ones, without a gap"},
	{Name: "cut-outbound", Spec: "R7", What: "but no outbound one without ConfirmedTime", Did: "the same, the oldest an agent's", Expected: "the agent's sentence, too"},
	{Name: "unknown-code", Spec: "R8", What: "unknown codes are skipped", Did: "an unknown packet, then a question", Expected: "the connection lives"},
	{Name: "unknown-member", Spec: "R8", What: "unknown members, extras and elements are skipped", Did: "STATUS with one of each", Expected: "its answer"},
	{Name: "fence", Spec: "O1", Optional: true, What: "RESYNC fences other connections off", Did: "RESYNC on a second connection, then START and a sentence on the first", Expected: "nothing of them is taken"},
	{Name: "fence-back", Spec: "O1", Optional: true, What: "until they send RESYNC themselves", Did: "RESYNC on the first connection, and another sentence", Expected: "its echo"},
	{Name: "asks", Spec: "O2", Optional: true, What: "Ask is mirrored", Did: "looked at the answer to each question", Expected: "its Ask"},
	{Name: "after-counter", Spec: "O3", Optional: true, What: "AfterCounter is kept", Did: "STATUS with ChatId and AfterCounter 2", Expected: "the Sentences above 2"},
	{Name: "list-counter", Spec: "O4", Optional: true, What: "SE_CHAT_LIST tells Counters", Did: "RESYNC", Expected: "Counter of the chat's last sentence"},
	{Name: "list-closed", Spec: "O5", Optional: true, What: "closed chats are listed until their sentences are confirmed", Did: "let an agent write, STOP without CONFIRM, RESYNC", Expected: "the closed chat in SE_CHAT_LIST"},
	{Name: "counter", Spec: "O6", Optional: true, What: "sentences have Counters", Did: "looked at echo and Sentences", Expected: "Counter above 0, the same in both"},
	{Name: "restart-bye", Spec: "O8", Optional: true, never: true, What: "SP_BYE before a restart", Did: "nothing: only the core can", Expected: "SP_BYE with RetryAfterMs"},
	{Name: "read-confirm", Spec: "O9", Optional: true, What: "SE_CHAT_CONFIRM when the agent's side has a sentence", Did: "a sentence, let an agent read it", Expected: "SE_CHAT_CONFIRM with its ID"},
	{Name: "chat-form", Spec: "O10", Optional: true, never: true, What: "forms before a chat", Did: "looked at RESPONSE", Expected: "ScenarioModel"},
	{Name: "forms", Spec: "O11", Optional: true, never: true, What: "forms", Did: "ES_SCENARIO_LOAD of a form that never was", Expected: "SE_SCENARIO_MODEL"},
	{Name: "registers", Spec: "O12", Optional: true, never: true, What: "registers", Did: "ES_WS_ROUTING", Expected: "SE_WS_ROUTING"},
	{Name: "agents-clients", Spec: "O13", Optional: true, never: true, What: "agents' clients", Did: "nothing: this is a gateway", Expected: "rules A1 to A6"},
	{Name: "gateways", Spec: "O14", Optional: true, What: "the core has a register of message gateways", Did: "ES_SL_GETGATEWAYS", Expected: "SE_SL_MSGGATEWAYS"},
	{Name: "gateways-address", Spec: "M1", What: "the register gives the gateways of the address, and no others", Did: "ES_SL_GETGATEWAYS of an address that nobody has", Expected: "SE_SL_MSGGATEWAYS with []"},
	{Name: "gateways-list", Spec: "M1", What: "each gateway has an Id that stays, a Direction and a Device", Did: "ES_SL_GETGATEWAYS twice", Expected: "the same Ids; Direction I or O; Device: a name and a JSON object"},
	{Name: "message-received", Spec: "M2", What: "a message is answered, and the answer mirrors it", Did: "RECEIVING by an inbound gateway", Expected: "SE_MESSAGE_RECEIVED with its GatewayId and RequestId, true and a MessageId"},
	{Name: "message-once", Spec: "M2", What: "one answer for one message", Did: "RECEIVING, then a question", Expected: "one SE_MESSAGE_RECEIVED before the answer"},
	{Name: "message-stray", Spec: "M2", What: "a message of an unknown gateway is answered, too", Did: "RECEIVING with a GatewayId that never was", Expected: "SE_MESSAGE_RECEIVED, true or false"},
	{Name: "message-new", Spec: "M3", What: "another message has another MessageId", Did: "RECEIVING of a second message", Expected: "SE_MESSAGE_RECEIVED, true, another Id"},
	{Name: "message-sending", Spec: "M4", What: "a message to a customer is whole", Did: "let an agent write a message", Expected: "SE_MESSAGE_SENDING with MessageId, GatewayId, DeliverySystemId, ReceivedSentTime and recipients, on the connection that asked last"},
	{Name: "message-resent", Spec: "M4", What: "a message without an answer is sent again", Did: "left SE_MESSAGE_SENDING unanswered for 90 s", Expected: "the same MessageId again, and not before"},
	{Name: "message-done", Spec: "M5", What: "a message that was sent is not sent again", Did: "ES_MESSAGE_SENT without Data, then waited for 90 s", Expected: "no SE_MESSAGE_SENDING with its MessageId"},
	{Name: "message-again", Spec: "M6", Optional: true, What: "a message that comes again is known", Did: "RECEIVING with the GatewayId and DeliverySystemId of a message that was taken, on two connections", Expected: "SE_MESSAGE_RECEIVED, true, the first MessageId"},
	{Name: "message-gateways", Spec: "M6", What: "by its gateway, too", Did: "RECEIVING with that DeliverySystemId by a second inbound gateway", Expected: "SE_MESSAGE_RECEIVED, true, another Id"},
}
