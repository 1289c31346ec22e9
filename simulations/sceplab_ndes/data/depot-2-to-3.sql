-- Leads schema 2 to schema 3: a CA may be followed by another. What there is belongs to CA 0.
CREATE TABLE rollovers (
    generation INTEGER PRIMARY KEY,
    prepared_at TEXT NOT NULL,
    switch_at TEXT NOT NULL
);
CREATE TABLE authority_of_3 (
    generation INTEGER NOT NULL,
    role TEXT NOT NULL,
    key_id TEXT NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (generation, role)
) WITHOUT ROWID;
INSERT INTO authority_of_3 SELECT 0, role, key_id, certificate FROM authority;
DROP TABLE authority;
ALTER TABLE authority_of_3 RENAME TO authority;
ALTER TABLE crls ADD COLUMN generation INTEGER NOT NULL DEFAULT 0;
ALTER TABLE requests ADD COLUMN generation INTEGER NOT NULL DEFAULT 0
