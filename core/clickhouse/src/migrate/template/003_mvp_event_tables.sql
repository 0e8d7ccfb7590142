-- What reports are made of, and the messages that became no event.
--
-- Messages come at least once: the ReplacingMergeTrees keep one row of an id, and whoever counts reads with FINAL
-- (events never change, so a list needs only LIMIT 1 BY the id). An unknown text is empty. Money is decimal.
-- The time of a click or postback is that of its id, so `at` narrows every look-up by id. Partitions are months;
-- what lies before 2025 or after 2032 shares one, so that no message can open more partitions than a block may have.
-- campaign_id is the link's campaign; deciding_campaign_id the one that decided, empty if it is the same. cost is what
-- a visit of a person cost; of a bot (kind = 'bot') what it would have cost.
-- Rows stay for ever unless `tfx migrate up` is told otherwise (ANALYTICS_TTL_DAYS).

USE traffoflex;

CREATE TABLE IF NOT EXISTS click_events
(
<<columns click 18>>
    event              String CODEC(ZSTD(3)),
    _topic             LowCardinality(String),
    _partition         Int32,
    _offset            Int64 CODEC(Delta, ZSTD(1)),

<<aliases click 18>>
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(least(greatest(at, toDateTime64('2025-01-01', 3, 'UTC')), toDateTime64('2032-12-31', 3, 'UTC')))
ORDER BY (at, click_id);

-- Clicks that no stream took.
CREATE TABLE IF NOT EXISTS trafficback_events
AS click_events
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(least(greatest(at, toDateTime64('2025-01-01', 3, 'UTC')), toDateTime64('2032-12-31', 3, 'UTC')))
ORDER BY (at, click_id);

-- Each state of a conversion; the highest version counts.
CREATE TABLE IF NOT EXISTS conversion_events
(
<<columns conversion 14>>
    event          String CODEC(ZSTD(3)),
    _topic         LowCardinality(String),
    _partition     Int32,
    _offset        Int64
)
ENGINE = ReplacingMergeTree(version)
PARTITION BY toYYYYMM(least(greatest(created_at, toDateTime64('2025-01-01', 3, 'UTC')), toDateTime64('2032-12-31', 3, 'UTC')))
ORDER BY conversion_id;

-- Early volumes have it without the source.
ALTER TABLE conversion_events ADD COLUMN IF NOT EXISTS source_id LowCardinality(String) AFTER destination_id;

CREATE TABLE IF NOT EXISTS postback_log_events
(
<<columns postback_log 13>>
    event         String CODEC(ZSTD(3)),
    _topic        LowCardinality(String),
    _partition    Int32,
    _offset       Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(least(greatest(at, toDateTime64('2025-01-01', 3, 'UTC')), toDateTime64('2032-12-31', 3, 'UTC')))
ORDER BY (at, id);

CREATE TABLE IF NOT EXISTS destination_health_events
(
<<columns destination_health 14>>
    event          String CODEC(ZSTD(3)),
    _topic         LowCardinality(String),
    _partition     Int32,
    _offset        Int64
)
ENGINE = ReplacingMergeTree
PARTITION BY toYYYYMM(least(greatest(at, toDateTime64('2025-01-01', 3, 'UTC')), toDateTime64('2032-12-31', 3, 'UTC')))
ORDER BY (at, id);

-- Messages that became no event, byte for byte. Read again, a message is the same row, observed when it was first.
CREATE TABLE IF NOT EXISTS kafka_ingestion_errors
(
    observed_at DateTime64(3, 'UTC'),
    topic       LowCardinality(String),
    partition   Int32,
    offset      Int64,
    raw_message String CODEC(ZSTD(3)),
    error       String,
    content     UInt64 MATERIALIZED cityHash64(raw_message),
    earliness   UInt64 MATERIALIZED bitNot(toUInt64(toUnixTimestamp64Milli(observed_at)))
)
ENGINE = ReplacingMergeTree(earliness)
PARTITION BY toYYYYMM(observed_at)
ORDER BY (topic, partition, offset, content);
