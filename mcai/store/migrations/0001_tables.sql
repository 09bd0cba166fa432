-- Rows are appended and tombstoned, never changed in place: (c_epoch, d_epoch) says from which epoch on a version of
-- a row is live and from which on it is not. Uniqueness is checked by the one writer: an ART index is DuckDB's weak part.

CREATE TABLE meta (key VARCHAR NOT NULL, value VARCHAR NOT NULL);

CREATE TABLE epochs (
    epoch     BIGINT    NOT NULL,
    committed_at TIMESTAMP NOT NULL,
    op        VARCHAR   NOT NULL,   -- add, edit, delete, describe
    added     BIGINT    NOT NULL,   -- row versions that became live
    removed   BIGINT    NOT NULL,   -- row versions that ceased to be
    bytes     BIGINT    NOT NULL,   -- text and metadata of what was added, about: how much following it takes
    last_id   BIGINT    NOT NULL    -- the highest id given out so far: ids are never reused
);

-- The stored answer to a request that carried an idempotency key.
CREATE TABLE requests (
    key        VARCHAR   NOT NULL,
    body_hash  BLOB      NOT NULL,
    answer     BLOB      NOT NULL,  -- zlib-compressed JSON
    answered_at TIMESTAMP NOT NULL
);

CREATE TABLE datasets (
    id         INTEGER   NOT NULL,
    domain     VARCHAR   NOT NULL,
    version    BIGINT    NOT NULL,  -- the last epoch that changed it
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    metadata   VARCHAR   NOT NULL   -- JSON object
);

CREATE TABLE examples (
    id           BIGINT  NOT NULL,
    dataset_id   INTEGER NOT NULL,
    content      VARCHAR NOT NULL,
    response     VARCHAR,
    emotion      VARCHAR,
    frequency_hz DOUBLE,
    range_lo_hz  DOUBLE,            -- metadata.frequency_range, for the filter
    range_hi_hz  DOUBLE,
    created_at   TIMESTAMP,         -- the record's own date, UTC
    source       VARCHAR,
    metadata     VARCHAR NOT NULL,  -- JSON object
    identity_hi  UBIGINT NOT NULL,  -- mcai.identity, 16 bytes, big-endian halves
    identity_lo  UBIGINT NOT NULL,
    c_epoch      BIGINT  NOT NULL,
    d_epoch      BIGINT
);

CREATE TABLE examples_archive AS FROM examples;

CREATE TABLE emotions (
    name                 VARCHAR NOT NULL,
    neuroscience_freq    DOUBLE,
    metaphysical_freq    DOUBLE,
    band                 VARCHAR NOT NULL,
    personality_template VARCHAR NOT NULL  -- JSON list of sentences
);

-- What the search index beside the store was last seen to hold. Its own sentinel decides; this is for people.
CREATE TABLE embeddings (model VARCHAR NOT NULL, dim INTEGER NOT NULL, applied_epoch BIGINT NOT NULL, noted_at TIMESTAMP NOT NULL);

CREATE TABLE knowledge_cache (
    key          VARCHAR   NOT NULL,
    question     VARCHAR   NOT NULL,
    answer       VARCHAR   NOT NULL,  -- JSON
    source       VARCHAR   NOT NULL,
    created_at   TIMESTAMP NOT NULL,
    expires_at   TIMESTAMP NOT NULL,
    accessed_at  TIMESTAMP NOT NULL,
    access_count BIGINT    NOT NULL
);

CREATE TABLE feedback (
    id         BIGINT    NOT NULL,
    target     VARCHAR   NOT NULL,
    verdict    VARCHAR   NOT NULL,    -- like, dislike
    comment    VARCHAR,
    created_at TIMESTAMP NOT NULL,
    c_epoch    BIGINT    NOT NULL,
    d_epoch    BIGINT
);

CREATE TABLE conversations (
    id         BIGINT    NOT NULL,
    user_id    VARCHAR   NOT NULL,
    messages   VARCHAR   NOT NULL,    -- JSON list
    created_at TIMESTAMP NOT NULL,
    updated_at TIMESTAMP NOT NULL,
    c_epoch    BIGINT    NOT NULL,
    d_epoch    BIGINT
);

CREATE TABLE performance_history (sampled_at TIMESTAMP NOT NULL, name VARCHAR NOT NULL, value DOUBLE NOT NULL);
