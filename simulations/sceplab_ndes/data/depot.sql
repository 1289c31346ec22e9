-- Schema 3 of the server's depot. Moments are ISO 8601 text in UTC with microseconds, which sorts.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value BLOB NOT NULL
) WITHOUT ROWID;

-- Changes of the CA, planned and past. The CA of a new depot has number 0 and no row here.
CREATE TABLE rollovers (
    generation INTEGER PRIMARY KEY,
    prepared_at TEXT NOT NULL,
    switch_at TEXT NOT NULL
);

-- Certificates of each CA and its RA, with the name of the key in the key store.
CREATE TABLE authority (
    generation INTEGER NOT NULL,
    role TEXT NOT NULL,
    key_id TEXT NOT NULL,
    certificate BLOB NOT NULL,
    PRIMARY KEY (generation, role)
) WITHOUT ROWID;

-- Requests that reached the CA. The newest row of a transactionID is the one that counts. Those of
-- kind carried were brought by hand: no transactionID, no signer.
CREATE TABLE requests (
    request_id INTEGER PRIMARY KEY,
    transaction_id TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('enrollment', 'renewal', 'carried')),
    state TEXT NOT NULL CHECK (state IN ('pending', 'issued', 'denied', 'failed')),
    message_digest BLOB NOT NULL,
    csr_digest BLOB NOT NULL,
    csr BLOB,
    signer_certificate BLOB NOT NULL,
    subject TEXT NOT NULL,
    template TEXT NOT NULL,
    renews_serial TEXT,
    password_id INTEGER,
    serial TEXT,
    cause TEXT,
    detail TEXT,
    received_at TEXT NOT NULL,
    decided_at TEXT,
    generation INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX requests_by_transaction ON requests (transaction_id, request_id);
CREATE INDEX requests_pending ON requests (request_id) WHERE state = 'pending';

CREATE TABLE certificates (
    serial TEXT PRIMARY KEY,
    request_id INTEGER NOT NULL,
    certificate BLOB NOT NULL,
    key_digest BLOB NOT NULL,
    subject TEXT NOT NULL,
    issued_at TEXT NOT NULL,
    not_after TEXT NOT NULL
);
CREATE INDEX certificates_by_key ON certificates (key_digest, issued_at);

CREATE TABLE revocations (
    serial TEXT PRIMARY KEY,
    reason TEXT NOT NULL,
    revoked_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE crls (
    number INTEGER PRIMARY KEY,
    crl BLOB NOT NULL,
    next_update TEXT NOT NULL,
    revocation_count INTEGER NOT NULL,
    generation INTEGER NOT NULL DEFAULT 0
);

-- One-time passwords: never the text, only its salted digest.
CREATE TABLE passwords (
    password_id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    fetched_by TEXT NOT NULL,
    fetched_at TEXT NOT NULL,
    expires_at TEXT NOT NULL,
    used_at TEXT,
    used_by TEXT
);
CREATE INDEX passwords_by_expiry ON passwords (expires_at);

-- What no other table tells: who decided, what looked like a breach.
CREATE TABLE events (
    event_id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    fields TEXT NOT NULL
);
