-- History: what each epoch did to each domain, a hash that chains the epochs, and what was forgotten on purpose.

-- blake2b(hash of the epoch before + journal entry): two stores with one hash at one epoch have one history.
ALTER TABLE epochs ADD COLUMN chain_hash BLOB;

CREATE TABLE epoch_domains (
    epoch      BIGINT  NOT NULL,
    dataset_id INTEGER NOT NULL,
    added      BIGINT  NOT NULL,  -- live versions that came
    removed    BIGINT  NOT NULL   -- live versions that went
);

INSERT INTO epoch_domains
SELECT epoch, dataset_id, sum(added), sum(removed)
FROM (SELECT c_epoch AS epoch, dataset_id, 1 AS added, 0 AS removed FROM examples
      UNION ALL
      SELECT d_epoch, dataset_id, 0, 1 FROM examples WHERE d_epoch IS NOT NULL)
GROUP BY epoch, dataset_id;

-- What remains of a forgotten row version: when it was there, nothing of what it said.
CREATE TABLE forgotten (
    id           BIGINT  NOT NULL,
    dataset_id   INTEGER NOT NULL,
    c_epoch      BIGINT  NOT NULL,
    d_epoch      BIGINT,
    forgot_epoch BIGINT  NOT NULL
);

-- Changes with every restore: whatever was derived from another timeline is made anew.
INSERT INTO meta VALUES ('timeline', replace(uuid()::VARCHAR, '-', ''));
