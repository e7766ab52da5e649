// Package simprot speaks SimProt, the protocol between a connector gateway and
// a contact centre's core chat server: MessagePack arrays in length-prefixed
// frames over one TCP (or TLS) connection. SPEC.md in this folder is the
// protocol's reference, testdata/vectors hold every packet in hex.
//
// # Rooms, in the direction the bytes walk
//
//	packets*.go  the codes and payload classes, as typed structs
//	frame.go     length prefix: FrameReader (limits before allocation)
//	msgpack.go   the codes of MessagePack
//	scan.go      structural scan of a body before anything is decoded
//	codec*.go    AppendFrame, DecodePacket: hand-written, one description of a class for both encodings
//	errors.go    what closes a connection and what costs one packet
//	ids.go       identifier rules: ShortenID, EscapeID, Truncate
//	conn.go      Conn: one connection, it dies once; conn_read.go is its reader
//	linger*.go   how a socket is tuned, and reset when it is given up
//	login.go     SP_LOGIN and its answers; why a login is refused
//	keepalive.go pings, and the end of a connection that leaves one unanswered
//	session*.go  Session: one logged-in connection with a generation number, and what it can ask
//	ask.go       Session's questions: a place, the question, and once more
//	questions.go which answer belongs to which question
//	client.go    Client: dials, logs in, keeps alive, reconnects
//	backoff.go   how long a client waits before it dials again
//	observer.go  what a client tells of its connection
//	server.go    Server: the core's side of the same; serverconn.go is one connection of it
//
// # The normal flow
//
//	gateway                                  core
//	SP_LOGIN {Account, Secret, Peer, ...} ->
//	                                      <- SP_WELCOME {KeepAlive, Fences, Asks}
//	ES_CHAT_RESYNC (claims the Port)      ->
//	                                      <- SE_CHAT_LIST
//	ES_CHAT_REQUEST                       ->
//	                                      <- SE_CHAT_RESPONSE {Signal}
//	ES_CHAT_START                         ->
//	                                      <- SE_CHAT_STATUS {ChatId, Sentences}
//	ES_CHAT_SENTENCE {ID}                 ->
//	                                      <- SE_CHAT_SENTENCE {ID, Counter}  (the echo)
//	                                      <- SE_CHAT_SENTENCE {IsOutbound: true}
//	ES_CHAT_CONFIRM {ID}                  ->
//
// An agent's client speaks the same with CS_ and SC_ packets (SPEC.md 12): its
// Client has the workplace's number as Peer. Mail and short messages that are no
// part of a chat are not named by Port and conversation (SPEC.md 13): the core
// says which gateways there are (Session.Gateways), and each message has one
// answer, ES_MESSAGE_RECEIVING -> SE_MESSAGE_RECEIVED, SE_MESSAGE_SENDING ->
// ES_MESSAGE_SENT.
//
// The package imports nothing else of this module.
package simprot
