-- The tables of early drafts, kept for whoever still reads them. Nothing writes to them: events go to the tables of
-- 003_mvp_event_tables.sql.

USE traffoflex;

CREATE TABLE IF NOT EXISTS clicks
(
    click_id       String,
    created_at     DateTime64(3, 'UTC'),
    campaign_id    LowCardinality(String),
    stream_id      LowCardinality(String),
    destination_id LowCardinality(String),
    country        LowCardinality(String),
    device_type    LowCardinality(String),
    os             LowCardinality(String),
    browser        LowCardinality(String),
    ip             String,
    user_agent     String,
    referrer       String,
    cost           Decimal(18, 6),
    currency       LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (campaign_id, created_at);

CREATE TABLE IF NOT EXISTS conversions
(
    conversion_id  String,
    click_id       String,
    created_at     DateTime64(3, 'UTC'),
    campaign_id    LowCardinality(String),
    network_id     LowCardinality(String),
    transaction_id String,
    status         LowCardinality(String),
    payout         Decimal(18, 6),
    currency       LowCardinality(String)
)
ENGINE = MergeTree
ORDER BY (campaign_id, created_at);

CREATE TABLE IF NOT EXISTS postback_logs
(
    created_at  DateTime64(3, 'UTC'),
    network_id  LowCardinality(String),
    click_id    String,
    method      LowCardinality(String),
    query       String,
    result      LowCardinality(String),
    status_code UInt16
)
ENGINE = MergeTree
ORDER BY (network_id, created_at);
