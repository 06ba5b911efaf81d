-- The first schema. Only ordinary rowid tables: a damaged file can then be read from both ends and row by row.

-- "PWst": tells our file from other people's databases.
PRAGMA application_id = 1347908468;

CREATE TABLE meta (
    name TEXT NOT NULL UNIQUE,
    value INTEGER NOT NULL
);
-- boot: how often this database was opened for running. ids: every record id up to this one may have been used.
INSERT INTO meta (name, value) VALUES ('boot', 0), ('ids', 0);

CREATE TABLE state (
    seq INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    UNIQUE (kind, key)
);
CREATE INDEX state_security_log ON state (seq) WHERE kind = 'security_log';

CREATE TABLE record (
    record INTEGER PRIMARY KEY,
    fact TEXT NOT NULL,
    tx_id TEXT,
    version TEXT,
    action TEXT,
    payload TEXT,
    attempts INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE context (
    seq INTEGER PRIMARY KEY,
    tx_id TEXT NOT NULL UNIQUE,
    version TEXT NOT NULL,
    data TEXT NOT NULL
);

CREATE TABLE dead_letter (
    record INTEGER PRIMARY KEY,
    fact TEXT NOT NULL,
    tx_id TEXT,
    version TEXT,
    action TEXT,
    payload TEXT,
    why TEXT NOT NULL,
    at REAL NOT NULL
);
