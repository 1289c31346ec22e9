-- From schema 1 to 2: requests may be carried to the CA by hand.
CREATE TABLE requests_of_2 (
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
    decided_at TEXT
);
INSERT INTO requests_of_2 SELECT * FROM requests;
DROP TABLE requests;
ALTER TABLE requests_of_2 RENAME TO requests;
CREATE INDEX requests_by_transaction ON requests (transaction_id, request_id);
CREATE INDEX requests_pending ON requests (request_id) WHERE state = 'pending'
