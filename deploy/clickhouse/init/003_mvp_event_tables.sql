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
    click_id           String CODEC(ZSTD(1)),
    at                 DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    kind               Enum8('click' = 0, 'bot' = 1, 'prefetch' = 2, 'trafficback' = 3),
    outcome            LowCardinality(String),
    request            LowCardinality(String),
    campaign_id        LowCardinality(String),
    deciding_campaign_id LowCardinality(String),
    stream_id          LowCardinality(String),
    destination_id     LowCardinality(String),
    source_id          LowCardinality(String),
    network_id         LowCardinality(String),
    country            LowCardinality(String),
    region             LowCardinality(String),
    city               LowCardinality(String),
    isp                LowCardinality(String),
    connection_type    LowCardinality(String) DEFAULT JSONExtractString(event, 'connection_type'),
    device_type        LowCardinality(String),
    os                 LowCardinality(String),
    browser            LowCardinality(String),
    language           LowCardinality(String),
    referrer_host      LowCardinality(String),
    keyword            String,
    subs               Array(String),
    is_bot             Bool,
    test               Bool,
    visitor_id         String,
    unique_campaign    Bool,
    unique_stream      Bool,
    unique_destination Bool,
    cost               Decimal(18, 6),
    cost_currency      LowCardinality(String),
    cost_refused       String DEFAULT JSONExtractString(event, 'cost_refused'),
    status             UInt16,
    event              String CODEC(ZSTD(3)),
    _topic             LowCardinality(String),
    _partition         Int32,
    _offset            Int64 CODEC(Delta, ZSTD(1)),

    campaign_slug      String ALIAS JSONExtractString(event, 'campaign_slug'),
    ip                 String ALIAS JSONExtractString(event, 'ip'),
    user_agent         String ALIAS JSONExtractString(event, 'user_agent'),
    referrer           String ALIAS JSONExtractString(event, 'referrer'),
    external_id        String ALIAS JSONExtractString(event, 'external_id'),
    final_url          String ALIAS JSONExtractString(event, 'final_url')
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
    conversion_id  String,
    version        UInt64,
    reporter_id    LowCardinality(String),
    transaction_id String,
    click_id       String,
    click_at       DateTime64(3, 'UTC'),
    created_at     DateTime64(3, 'UTC'),
    updated_at     DateTime64(3, 'UTC'),
    status         LowCardinality(String),
    raw_status     String,
    revenue        Decimal(18, 6),
    currency       LowCardinality(String),
    cost           Decimal(18, 6),
    cost_currency  LowCardinality(String),
    campaign_id    LowCardinality(String),
    deciding_campaign_id LowCardinality(String),
    stream_id      LowCardinality(String),
    destination_id LowCardinality(String),
    source_id      LowCardinality(String),
    network_id     LowCardinality(String),
    country        LowCardinality(String),
    region         LowCardinality(String),
    city           LowCardinality(String),
    isp            LowCardinality(String),
    connection_type LowCardinality(String) DEFAULT JSONExtractString(event, 'connection_type'),
    device_type    LowCardinality(String),
    os             LowCardinality(String),
    browser        LowCardinality(String),
    language       LowCardinality(String),
    referrer_host  LowCardinality(String),
    keyword        String,
    subs           Array(String),
    is_bot         Bool,
    test           Bool,
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
    id            String CODEC(ZSTD(1)),
    at            DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    network       LowCardinality(String),
    network_id    LowCardinality(String),
    template      LowCardinality(String),
    remote_ip     String,
    method        LowCardinality(String),
    result        LowCardinality(String),
    reason        String,
    status        UInt16,
    click_id      String,
    conversion_id String,
    test          Bool,
    direction     LowCardinality(String) DEFAULT 'in',
    source        LowCardinality(String),
    source_id     LowCardinality(String),
    job           String,
    attempt       UInt16,
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
    id             String,
    at             DateTime64(3, 'UTC'),
    destination_id LowCardinality(String),
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
