-- The names in here become parts of paths: the checks keep them free of what would need an escape.

CREATE TABLE recordings (
    id        TEXT PRIMARY KEY CHECK (id <> '' AND id NOT GLOB '*[^-_A-Za-z0-9]*'),
    caller    TEXT NOT NULL,
    dialed    TEXT NOT NULL,
    start_ms  INTEGER NOT NULL,
    stop_ms   INTEGER NOT NULL CHECK (stop_ms >= start_ms),
    protected INTEGER NOT NULL DEFAULT FALSE
) STRICT;

CREATE INDEX recordings_by_time ON recordings (start_ms, id);

CREATE TABLE media_files (
    recording  TEXT NOT NULL REFERENCES recordings (id) ON DELETE CASCADE,
    id         TEXT NOT NULL CHECK (id <> '' AND id NOT GLOB '*[^-_A-Za-z0-9]*'),
    path       TEXT NOT NULL CHECK (path GLOB '/*' AND path NOT GLOB '*[^-_./A-Za-z0-9]*'),
    type       TEXT NOT NULL,
    size       INTEGER NOT NULL,
    start_ms   INTEGER NOT NULL,
    stop_ms    INTEGER NOT NULL CHECK (stop_ms >= start_ms),
    parameters TEXT NOT NULL, -- a JSON object of strings
    PRIMARY KEY (recording, id)
) STRICT;

CREATE TABLE label_definitions (
    name        TEXT PRIMARY KEY CHECK (name <> '' AND name NOT GLOB '*[^-_A-Za-z0-9]*'),
    description TEXT NOT NULL
) STRICT;

PRAGMA user_version = 1;
