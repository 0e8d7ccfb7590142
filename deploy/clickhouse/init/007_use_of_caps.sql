-- What caps and click limits are counted from, whatever the retention of events is: these tables have none.
--
-- Clicks: days that are over, by destination and by stream, and the rest from click_events. A day is closed a whole day
-- after its end (UTC). Closing is done once a day, for the last 35 days that have clicks once more, so that events which
-- come late are counted; of two counts of a day the larger one stays, so that a day whose rows have left in part keeps
-- its count. The empty entity marks the days that were closed.
-- Conversions: who brought it and how it stands, since one may be rejected long after its day.

USE traffoflex;

CREATE TABLE IF NOT EXISTS closed_days
(
    entity String,
    day    Date,
    clicks UInt64
)
ENGINE = ReplacingMergeTree(clicks)
ORDER BY (entity, day);

CREATE TABLE IF NOT EXISTS conversion_use
(
    destination_id String,
    conversion_id  String,
    version        UInt64,
    created_at     DateTime64(3, 'UTC'),
    status         LowCardinality(String)
)
ENGINE = ReplacingMergeTree(version)
ORDER BY (destination_id, conversion_id);

CREATE MATERIALIZED VIEW IF NOT EXISTS conversion_use_mv TO conversion_use AS
SELECT destination_id, conversion_id, version, created_at, status
FROM conversion_events
WHERE destination_id != '';

CREATE MATERIALIZED VIEW IF NOT EXISTS closed_days_mv
REFRESH EVERY 1 DAY OFFSET 3 HOUR
APPEND TO closed_days
EMPTY
AS
SELECT entity, toDate(at, 'UTC') AS day, if(entity = '', 0, count()) AS clicks
FROM click_events FINAL
ARRAY JOIN arrayDistinct([toString(destination_id), toString(stream_id), '']) AS entity
WHERE kind = 'click'
    AND at < toDateTime64(toDate(now('UTC')) - 1, 3, 'UTC')
    AND at >= toDateTime64((SELECT max(day) FROM closed_days WHERE entity = ''), 3, 'UTC') - toIntervalDay(35)
GROUP BY entity, day;

-- What was stored before.

INSERT INTO conversion_use
SELECT destination_id, conversion_id, version, created_at, status
FROM conversion_events
WHERE destination_id != '';

INSERT INTO closed_days
SELECT entity, toDate(at, 'UTC') AS day, if(entity = '', 0, count()) AS clicks
FROM click_events FINAL
ARRAY JOIN arrayDistinct([toString(destination_id), toString(stream_id), '']) AS entity
WHERE kind = 'click'
    AND at < toDateTime64(toDate(now('UTC')) - 1, 3, 'UTC')
GROUP BY entity, day;
