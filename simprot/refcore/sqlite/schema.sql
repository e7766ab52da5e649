-- Times are text, RFC 3339 in UTC; NULL is no time.
CREATE TABLE chat (
    seq            INTEGER PRIMARY KEY, -- in the order they were made
    id             TEXT    NOT NULL UNIQUE,
    peer           TEXT    NOT NULL,
    port           TEXT    NOT NULL,
    tracking_id    TEXT    NOT NULL,
    placed         INTEGER NOT NULL, -- in the order they came to their conversation
    status         TEXT    NOT NULL,
    party_name     TEXT    NOT NULL,
    remote_address TEXT    NOT NULL,
    user_token     TEXT    NOT NULL,
    culture        TEXT    NOT NULL,
    agent_name     TEXT    NOT NULL,
    agent_id       TEXT    NOT NULL,
    started        TEXT,
    updated        TEXT,
    closed         TEXT,
    counter        INTEGER NOT NULL DEFAULT 0,
    read_counter   INTEGER NOT NULL DEFAULT 0,
    unread         INTEGER NOT NULL DEFAULT 0,
    unconfirmed    INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX chat_by_address ON chat (peer, port, tracking_id, placed);

CREATE TABLE sentence (
    chat       INTEGER NOT NULL REFERENCES chat (seq),
    counter    INTEGER NOT NULL,
    id         TEXT    NOT NULL,
    outbound   INTEGER NOT NULL,
    model      INTEGER NOT NULL,
    party_name TEXT    NOT NULL,
    text       TEXT    NOT NULL,
    sent       TEXT,
    confirmed  TEXT,
    PRIMARY KEY (chat, counter)
) STRICT, WITHOUT ROWID;
CREATE INDEX sentence_by_id ON sentence (chat, id, outbound);
