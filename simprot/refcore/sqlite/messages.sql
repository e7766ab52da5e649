-- Since version 2. The documents are JSON.
CREATE TABLE message (
    seq      INTEGER PRIMARY KEY, -- in the order they came
    id       TEXT    NOT NULL UNIQUE,
    document TEXT    NOT NULL
) STRICT;

CREATE TABLE gateway (
    seq      INTEGER PRIMARY KEY, -- in the order of the register
    document TEXT    NOT NULL
) STRICT;
