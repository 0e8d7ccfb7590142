-- From the topics into the tables of 003_mvp_event_tables.sql:
--
--   <topic>_queue ──<topic>_mv──► event_messages ──► event_objects ──► click_rows ────────► click_events
--   (Kafka engine, a message     (Null: bytes as    (Null: fields     (Null, one a kind:   trafficback_events
--    is one text, as it is)       they came)         and their types)  values or problem)  kafka_ingestion_errors
--
-- A queue has one view only: the engine feeds it whole blocks and commits their offsets after all tables below have
-- them. A server that starts may have a queue at work before the views below it; pipeline_state says whether they are
-- there, and as long as they are not, blocks are refused and read again. Nothing here can throw: whatever a message holds, it becomes a row of an events table or of
-- kafka_ingestion_errors, so it never blocks its partition. What is checked is what the services read back: a row
-- stands for an event that they can decode. (The engine passes over an empty message by itself: there is no row.)
--
-- To run this file again is safe while messages arrive. The queues go first and come last: in between, messages
-- wait in the topics, and the consumer groups remember where they were. Each queue has a group of its own: in a shared
-- one the readers of all topics stop and begin anew whenever one of them comes or goes.

USE traffoflex;

DROP TABLE IF EXISTS click_events_queue;
DROP TABLE IF EXISTS trafficback_events_queue;
DROP TABLE IF EXISTS conversion_events_queue;
DROP TABLE IF EXISTS postback_log_events_queue;
DROP TABLE IF EXISTS destination_health_events_queue;
DROP VIEW IF EXISTS click_events_mv;
DROP VIEW IF EXISTS trafficback_events_mv;
DROP VIEW IF EXISTS conversion_events_mv;
DROP VIEW IF EXISTS postback_log_events_mv;
DROP VIEW IF EXISTS destination_health_events_mv;

DROP VIEW IF EXISTS pipeline_state;
DROP VIEW IF EXISTS event_objects_mv;
DROP VIEW IF EXISTS click_rows_mv;
DROP VIEW IF EXISTS conversion_rows_mv;
DROP VIEW IF EXISTS postback_log_rows_mv;
DROP VIEW IF EXISTS destination_health_rows_mv;
DROP VIEW IF EXISTS click_events_store_mv;
DROP VIEW IF EXISTS trafficback_events_store_mv;
DROP VIEW IF EXISTS conversion_events_store_mv;
DROP VIEW IF EXISTS postback_log_events_store_mv;
DROP VIEW IF EXISTS destination_health_events_store_mv;
DROP VIEW IF EXISTS click_errors_mv;
DROP VIEW IF EXISTS conversion_errors_mv;
DROP VIEW IF EXISTS postback_log_errors_mv;
DROP VIEW IF EXISTS destination_health_errors_mv;

DROP TABLE IF EXISTS event_messages;
DROP TABLE IF EXISTS event_objects;
DROP TABLE IF EXISTS click_rows;
DROP TABLE IF EXISTS conversion_rows;
DROP TABLE IF EXISTS postback_log_rows;
DROP TABLE IF EXISTS destination_health_rows;

-- Every message, whatever its topic. error: what the engine itself says, if it could not read it.
CREATE TABLE event_messages
(
    topic_kind Enum8('click' = 1, 'conversion' = 2, 'postback_log' = 3, 'destination_health' = 4),
    topic      LowCardinality(String),
    partition  Int32,
    offset     Int64,
    raw        String,
    error      String
)
ENGINE = Null;

-- The fields of an object; problem: why it is none. wrong: fields whose value is not of the field's type. A field
-- has one type, whatever the event; one that is not known here may hold anything.
CREATE TABLE event_objects
(
    topic_kind Enum8('click' = 1, 'conversion' = 2, 'postback_log' = 3, 'destination_health' = 4),
    topic      LowCardinality(String),
    partition  Int32,
    offset     Int64,
    raw        String,
    problem    String,
    fields     Array(String),
    wrong      Array(String)
)
ENGINE = Null;

CREATE MATERIALIZED VIEW event_objects_mv TO event_objects AS
WITH
    JSONExtractKeysAndValuesRaw(raw) AS pairs,
    -- How deep brackets nest; counted only where there are many.
    countSubstrings(raw, '[') + countSubstrings(raw, '{') > 100
        AND arrayMax(arrayCumSum(arrayMap(
            b -> if(b IN ('[', '{'), 1, -1),
            extractAll(replaceRegexpAll(raw, '"([^"\\\\]|\\\\.)*"', ''), '[\\[\\]{}]')))) > 100 AS too_deep
SELECT
    topic_kind,
    topic,
    partition,
    offset,
    raw,
    multiIf(
        error != '', error,
        trimBoth(raw) = '', 'an empty message',
        NOT isValidUTF8(raw), 'not UTF-8',
        NOT isValidJSON(raw) OR startsWith(raw, unhex('EFBBBF')), 'not JSON',
        JSONType(raw) != 'Object', concat('not a JSON object but ', lower(toString(JSONType(raw)))),
        length(arrayDistinct(pairs.1)) != length(pairs), 'a field stands in it twice',
        too_deep, 'nested deeper than 100 levels',
        match(raw, '"(<<numbers>>)"[ \t\r\n]*:[ \t\r\n]*[0-9]*[-.eE]'),
            '<<numbers in words>> is not a whole number',
        '') AS problem,
    arrayMap(p -> p.1, arrayFilter(p -> p.2 != 'null', pairs)) AS fields,
    arrayMap(p -> concat(p.1, ' = ', substringUTF8(p.2, 1, 80)), arrayFilter(p -> NOT multiIf(
        <<is text>>
            startsWith(p.2, '"'),
        <<is text or null>>
            p.2 = 'null' OR startsWith(p.2, '"'),
        <<is mark>>
            p.2 IN ('true', 'false'),
        <<is id cmp>> p.2 = 'null' OR match(p.2, '^"cmp_[0-9a-z]{19}"$'),
        <<is id str>> p.2 = 'null' OR match(p.2, '^"str_[0-9a-z]{19}"$'),
        <<is id dst>> p.2 = 'null' OR match(p.2, '^"dst_[0-9a-z]{19}"$'),
        <<is id src>> p.2 = 'null' OR match(p.2, '^"src_[0-9a-z]{19}"$'),
        <<is id net>> p.2 = 'null' OR match(p.2, '^"net_[0-9a-z]{19}"$'),
        <<is named id net>> match(p.2, '^"net_[0-9a-z]{19}"$'),
        <<is id cnv>> (p.2 = 'null' AND topic_kind = 'postback_log') OR match(p.2, '^"cnv_[0-9a-z]{19}"$'),
        <<is ulid>>
            (p.2 = 'null' AND topic_kind = 'postback_log') OR match(p.2, '^"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}"$'),
        <<is visitor>> match(p.2, '^"[0-9A-Fa-f]{32}"$'),
        <<is time>>
            match(p.2, '^"(19[7-9][0-9]|2[0-2][0-9][0-9])-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"$')
                AND isNotNull(parseDateTime64BestEffortOrNull(trim(BOTH '"' FROM p.2), 3, 'UTC')),
        <<is u16>> match(p.2, '^[0-9]{1,5}$') AND toUInt64OrZero(p.2) <= 65535,
        <<is u32>> p.2 = 'null' OR (match(p.2, '^[0-9]{1,10}$') AND toUInt64OrZero(p.2) <= 4294967295),
        <<is u63>> match(p.2, '^[0-9]{1,19}$') AND toUInt64OrZero(p.2) <= 9223372036854775807,
        <<is u64>> match(p.2, '^[0-9]{1,20}$'),
        p.1 = 'outcome', p.2 IN ('"routed"', '"trafficback"', '"not_found"', '"loop"'),
        p.1 = 'request', p.2 IN ('"visit"', '"prefetch"', '"head"'),
        p.1 = 'device_type',
            p.2 IN ('"desktop"', '"mobile"', '"tablet"', '"tv"', '"console"', '"other"', '"unknown"'),
        p.1 = 'result',
            p.2 IN (
                '"recorded"', '"updated"', '"duplicate"', '"stale"', '"ignored"', '"parked"', '"unmatched"',
                '"rejected"', '"conflict"', '"sent"', '"retry"', '"dead"', '"passed"', '"empty"'),
        p.1 = 'direction', p.2 IN ('"in"', '"out"'),
        <<is money>>
            (p.2 = 'null' AND p.1 != 'revenue')
                OR (match(p.2, '^{("amount":"-?[0-9]{1,10}([.][0-9]{1,28})?","currency":"[A-Za-z]{3}"|"currency":"[A-Za-z]{3}","amount":"-?[0-9]{1,10}([.][0-9]{1,28})?")}$')
                    AND abs(toDecimal256OrZero(JSONExtractString(p.2, 'amount'), 30)) <= 1000000000),
        <<is status>>
            startsWith(p.2, '"')
                AND lengthUTF8(trimBoth(JSONExtractString(p.2))) BETWEEN 1 AND 64
                AND NOT match(trimBoth(JSONExtractString(p.2)), '\\p{Cc}'),
        <<is texts>> match(p.2, '^\\[("([^"\\\\]|\\\\.)*"(,"([^"\\\\]|\\\\.)*")*)?\\]$'),
        <<is pairs>>
            match(p.2, '^\\[(\\["([^"\\\\]|\\\\.)*","([^"\\\\]|\\\\.)*"\\](,\\["([^"\\\\]|\\\\.)*","([^"\\\\]|\\\\.)*"\\])*)?\\]$'),
        <<is campaigns>> match(p.2, '^\\[("cmp_[0-9a-z]{19}"(,"cmp_[0-9a-z]{19}")*)?\\]$'),
        <<is passed>>
            startsWith(p.2, '[')
                AND arrayAll(
                    s -> match(JSONExtractString(s, 'stream_id'), '^str_[0-9a-z]{19}$')
                        AND JSONType(s, 'reason') = 'String'
                        AND length(arrayDistinct(JSONExtractKeys(s))) = length(JSONExtractKeys(s)),
                    JSONExtractArrayRaw(p.2)),
        true), pairs)) AS wrong
FROM event_messages;

-- Clicks of both topics; their outcome decides the table.
CREATE TABLE click_rows
(
<<rows click 18>>
    topic              LowCardinality(String),
    partition          Int32,
    offset             Int64,
    raw                String,
    problem            String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW click_rows_mv TO click_rows AS
WITH
    JSONExtract(
        raw,
        'Tuple(
<<tuple click>>,
    -- Bots of before there was bot_cost carry theirs as cost.
    e.is_bot AND e.bot_cost.currency != '' AS of_bot,
    if(e.outcome = '', 'routed', e.outcome) AS outcome_,
    if(e.request = '', 'visit', e.request) AS request_,
    arrayFilter(f -> NOT has(fields, f), [
<<required click>>]) AS missing
SELECT
<<select click>>
    topic,
    partition,
    offset,
    raw,
    multiIf(
        problem != '', problem,
        missing != [], concat('without ', arrayStringConcat(missing, ', ')),
        wrong != [], concat('not as expected: ', arrayStringConcat(wrong, '; ')),
        e.schema != 1, concat('of schema ', toString(e.schema), ', which is not known here'),
        '') AS problem
FROM event_objects
WHERE topic_kind = 'click';

CREATE MATERIALIZED VIEW click_events_store_mv TO click_events AS
SELECT
<<names click>>
    raw AS event,
    topic AS _topic,
    partition AS _partition,
    offset AS _offset
FROM click_rows
WHERE problem = '' AND outcome = 'routed';

CREATE MATERIALIZED VIEW trafficback_events_store_mv TO trafficback_events AS
SELECT
<<names click>>
    raw AS event,
    topic AS _topic,
    partition AS _partition,
    offset AS _offset
FROM click_rows
WHERE problem = '' AND outcome != 'routed';

CREATE MATERIALIZED VIEW click_errors_mv TO kafka_ingestion_errors AS
SELECT nowInBlock64(3, 'UTC') AS observed_at, topic, partition, offset, raw AS raw_message, problem AS error
FROM click_rows
WHERE problem != '';

CREATE TABLE conversion_rows
(
<<rows conversion 18>>
    topic              LowCardinality(String),
    partition          Int32,
    offset             Int64,
    raw                String,
    problem            String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW conversion_rows_mv TO conversion_rows AS
WITH
    JSONExtract(
        raw,
        'Tuple(
<<tuple conversion>>,
    arrayFilter(f -> NOT has(fields, f), [
<<required conversion>>]) AS missing
SELECT
<<select conversion>>
    topic,
    partition,
    offset,
    raw,
    multiIf(
        problem != '', problem,
        missing != [], concat('without ', arrayStringConcat(missing, ', ')),
        wrong != [], concat('not as expected: ', arrayStringConcat(wrong, '; ')),
        e.schema != 1, concat('of schema ', toString(e.schema), ', which is not known here'),
        '') AS problem
FROM event_objects
WHERE topic_kind = 'conversion';

CREATE MATERIALIZED VIEW conversion_events_store_mv TO conversion_events AS
SELECT
<<names conversion>>
    raw AS event,
    topic AS _topic,
    partition AS _partition,
    offset AS _offset
FROM conversion_rows
WHERE problem = '';

CREATE MATERIALIZED VIEW conversion_errors_mv TO kafka_ingestion_errors AS
SELECT nowInBlock64(3, 'UTC') AS observed_at, topic, partition, offset, raw AS raw_message, problem AS error
FROM conversion_rows
WHERE problem != '';

CREATE TABLE postback_log_rows
(
<<rows postback_log 18>>
    topic              LowCardinality(String),
    partition          Int32,
    offset             Int64,
    raw                String,
    problem            String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW postback_log_rows_mv TO postback_log_rows AS
WITH
    JSONExtract(
        raw,
        'Tuple(
<<tuple postback_log>>,
    arrayFilter(f -> NOT has(fields, f), [
<<required postback_log>>]) AS missing
SELECT
<<select postback_log>>
    topic,
    partition,
    offset,
    raw,
    multiIf(
        problem != '', problem,
        missing != [], concat('without ', arrayStringConcat(missing, ', ')),
        wrong != [], concat('not as expected: ', arrayStringConcat(wrong, '; ')),
        e.schema != 1, concat('of schema ', toString(e.schema), ', which is not known here'),
        '') AS problem
FROM event_objects
WHERE topic_kind = 'postback_log';

CREATE MATERIALIZED VIEW postback_log_events_store_mv TO postback_log_events AS
SELECT
<<names postback_log>>
    raw AS event,
    topic AS _topic,
    partition AS _partition,
    offset AS _offset
FROM postback_log_rows
WHERE problem = '';

CREATE MATERIALIZED VIEW postback_log_errors_mv TO kafka_ingestion_errors AS
SELECT nowInBlock64(3, 'UTC') AS observed_at, topic, partition, offset, raw AS raw_message, problem AS error
FROM postback_log_rows
WHERE problem != '';

CREATE TABLE destination_health_rows
(
<<rows destination_health 18>>
    topic              LowCardinality(String),
    partition          Int32,
    offset             Int64,
    raw                String,
    problem            String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW destination_health_rows_mv TO destination_health_rows AS
WITH
    JSONExtract(raw, 'Tuple(<<short tuple destination_health>>)') AS e,
    arrayFilter(f -> NOT has(fields, f), [
<<required destination_health>>]) AS missing
SELECT
<<select destination_health>>
    topic,
    partition,
    offset,
    raw,
    multiIf(
        problem != '', problem,
        missing != [], concat('without ', arrayStringConcat(missing, ', ')),
        wrong != [], concat('not as expected: ', arrayStringConcat(wrong, '; ')),
        e.schema != 1, concat('of schema ', toString(e.schema), ', which is not known here'),
        '') AS problem
FROM event_objects
WHERE topic_kind = 'destination_health';

CREATE MATERIALIZED VIEW destination_health_events_store_mv TO destination_health_events AS
SELECT
<<names destination_health>>
    raw AS event,
    topic AS _topic,
    partition AS _partition,
    offset AS _offset
FROM destination_health_rows
WHERE problem = '';

CREATE MATERIALIZED VIEW destination_health_errors_mv TO kafka_ingestion_errors AS
SELECT nowInBlock64(3, 'UTC') AS observed_at, topic, partition, offset, raw AS raw_message, problem AS error
FROM destination_health_rows
WHERE problem != '';

-- Whether every view is where a Null table hands its rows on.
CREATE VIEW pipeline_state AS
SELECT
    hasAll(
        groupArrayArray(dependencies_table),
        [
            'event_objects_mv',
            'click_rows_mv',
            'conversion_rows_mv',
            'postback_log_rows_mv',
            'destination_health_rows_mv',
            'click_events_store_mv',
            'trafficback_events_store_mv',
            'conversion_events_store_mv',
            'postback_log_events_store_mv',
            'destination_health_events_store_mv',
            'click_errors_mv',
            'conversion_errors_mv',
            'postback_log_errors_mv',
            'destination_health_errors_mv'
        ]) AS complete
FROM system.tables
WHERE database = 'traffoflex';

-- The queues, and last the view that sets each of them going.

CREATE TABLE click_events_queue (raw String)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'redpanda-0:9092,redpanda-1:9092,redpanda-2:9092',
    kafka_topic_list = 'traffoflex.click_events',
    kafka_group_name = 'traffoflex-clickhouse.click_events',
    kafka_format = 'RawBLOB',
    kafka_handle_error_mode = 'stream',
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 1000;

CREATE TABLE trafficback_events_queue (raw String)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'redpanda-0:9092,redpanda-1:9092,redpanda-2:9092',
    kafka_topic_list = 'traffoflex.trafficback_events',
    kafka_group_name = 'traffoflex-clickhouse.trafficback_events',
    kafka_format = 'RawBLOB',
    kafka_handle_error_mode = 'stream',
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 1000;

CREATE TABLE conversion_events_queue (raw String)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'redpanda-0:9092,redpanda-1:9092,redpanda-2:9092',
    kafka_topic_list = 'traffoflex.conversion_events',
    kafka_group_name = 'traffoflex-clickhouse.conversion_events',
    kafka_format = 'RawBLOB',
    kafka_handle_error_mode = 'stream',
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 1000;

CREATE TABLE postback_log_events_queue (raw String)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'redpanda-0:9092,redpanda-1:9092,redpanda-2:9092',
    kafka_topic_list = 'traffoflex.postback_log_events',
    kafka_group_name = 'traffoflex-clickhouse.postback_log_events',
    kafka_format = 'RawBLOB',
    kafka_handle_error_mode = 'stream',
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 1000;

CREATE TABLE destination_health_events_queue (raw String)
ENGINE = Kafka
SETTINGS
    kafka_broker_list = 'redpanda-0:9092,redpanda-1:9092,redpanda-2:9092',
    kafka_topic_list = 'traffoflex.destination_health_events',
    kafka_group_name = 'traffoflex-clickhouse.destination_health_events',
    kafka_format = 'RawBLOB',
    kafka_handle_error_mode = 'stream',
    kafka_max_block_size = 20000,
    kafka_flush_interval_ms = 1000;

CREATE MATERIALIZED VIEW click_events_mv TO event_messages AS
SELECT
    'click' AS topic_kind,
    _topic AS topic,
    toInt32(_partition) AS partition,
    toInt64(_offset) AS offset,
    if(_error = '', raw, _raw_message) AS raw,
    _error AS error
FROM click_events_queue
WHERE throwIf((SELECT complete FROM pipeline_state) = 0, 'a view of the pipeline is missing') = 0;

CREATE MATERIALIZED VIEW trafficback_events_mv TO event_messages AS
SELECT
    'click' AS topic_kind,
    _topic AS topic,
    toInt32(_partition) AS partition,
    toInt64(_offset) AS offset,
    if(_error = '', raw, _raw_message) AS raw,
    _error AS error
FROM trafficback_events_queue
WHERE throwIf((SELECT complete FROM pipeline_state) = 0, 'a view of the pipeline is missing') = 0;

CREATE MATERIALIZED VIEW conversion_events_mv TO event_messages AS
SELECT
    'conversion' AS topic_kind,
    _topic AS topic,
    toInt32(_partition) AS partition,
    toInt64(_offset) AS offset,
    if(_error = '', raw, _raw_message) AS raw,
    _error AS error
FROM conversion_events_queue
WHERE throwIf((SELECT complete FROM pipeline_state) = 0, 'a view of the pipeline is missing') = 0;

CREATE MATERIALIZED VIEW postback_log_events_mv TO event_messages AS
SELECT
    'postback_log' AS topic_kind,
    _topic AS topic,
    toInt32(_partition) AS partition,
    toInt64(_offset) AS offset,
    if(_error = '', raw, _raw_message) AS raw,
    _error AS error
FROM postback_log_events_queue
WHERE throwIf((SELECT complete FROM pipeline_state) = 0, 'a view of the pipeline is missing') = 0;

CREATE MATERIALIZED VIEW destination_health_events_mv TO event_messages AS
SELECT
    'destination_health' AS topic_kind,
    _topic AS topic,
    toInt32(_partition) AS partition,
    toInt64(_offset) AS offset,
    if(_error = '', raw, _raw_message) AS raw,
    _error AS error
FROM destination_health_events_queue
WHERE throwIf((SELECT complete FROM pipeline_state) = 0, 'a view of the pipeline is missing') = 0;
