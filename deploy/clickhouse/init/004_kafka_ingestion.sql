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
        match(raw, '"(schema|status|attempt|version|config_revision|asn|latency_ms)"[ \t\r\n]*:[ \t\r\n]*[0-9]*[-.eE]'),
            'schema, status, attempt, version, config_revision, asn or latency_ms is not a whole number',
        '') AS problem,
    arrayMap(p -> p.1, arrayFilter(p -> p.2 != 'null', pairs)) AS fields,
    arrayMap(p -> concat(p.1, ' = ', substringUTF8(p.2, 1, 80)), arrayFilter(p -> NOT multiIf(
        p.1 IN (
            'country', 'region', 'city', 'isp', 'connection_type', 'os', 'browser', 'language', 'referrer_host',
            'keyword', 'campaign_slug', 'campaign_name', 'deciding_campaign_slug', 'deciding_campaign_name', 'ip',
            'continent', 'user_agent', 'device_model', 'os_version', 'browser_version', 'referrer', 'external_id',
            'bot_reason', 'cost_refused', 'revenue_share', 'final_url', 'network', 'template', 'remote_ip', 'method',
            'reason', 'source', 'job', 'url', 'answer', 'body'),
            startsWith(p.2, '"'),
        p.1 IN ('transaction_id', 'raw_status'),
            p.2 = 'null' OR startsWith(p.2, '"'),
        p.1 IN (
            'is_bot', 'test', 'unique_campaign', 'unique_stream', 'unique_destination', 'bound', 'health_ignored'),
            p.2 IN ('true', 'false'),
        p.1 IN ('campaign_id', 'deciding_campaign_id'), p.2 = 'null' OR match(p.2, '^"cmp_[0-9a-z]{19}"$'),
        p.1 = 'stream_id', p.2 = 'null' OR match(p.2, '^"str_[0-9a-z]{19}"$'),
        p.1 = 'destination_id', p.2 = 'null' OR match(p.2, '^"dst_[0-9a-z]{19}"$'),
        p.1 = 'source_id', p.2 = 'null' OR match(p.2, '^"src_[0-9a-z]{19}"$'),
        p.1 = 'network_id', p.2 = 'null' OR match(p.2, '^"net_[0-9a-z]{19}"$'),
        p.1 = 'reporter_id', match(p.2, '^"net_[0-9a-z]{19}"$'),
        p.1 = 'conversion_id', (p.2 = 'null' AND topic_kind = 'postback_log') OR match(p.2, '^"cnv_[0-9a-z]{19}"$'),
        p.1 IN ('click_id', 'id'),
            (p.2 = 'null' AND topic_kind = 'postback_log') OR match(p.2, '^"[0-7][0-9A-HJKMNP-TV-Za-hjkmnp-tv-z]{25}"$'),
        p.1 = 'visitor_id', match(p.2, '^"[0-9A-Fa-f]{32}"$'),
        p.1 IN ('at', 'click_at', 'created_at', 'updated_at'),
            match(p.2, '^"(19[7-9][0-9]|2[0-2][0-9][0-9])-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]([.][0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])"$')
                AND isNotNull(parseDateTime64BestEffortOrNull(trim(BOTH '"' FROM p.2), 3, 'UTC')),
        p.1 IN ('schema', 'status', 'attempt'), match(p.2, '^[0-9]{1,5}$') AND toUInt64OrZero(p.2) <= 65535,
        p.1 IN ('asn', 'latency_ms'), p.2 = 'null' OR (match(p.2, '^[0-9]{1,10}$') AND toUInt64OrZero(p.2) <= 4294967295),
        p.1 = 'version', match(p.2, '^[0-9]{1,19}$') AND toUInt64OrZero(p.2) <= 9223372036854775807,
        p.1 = 'config_revision', match(p.2, '^[0-9]{1,20}$'),
        p.1 = 'outcome', p.2 IN ('"routed"', '"trafficback"', '"not_found"', '"loop"'),
        p.1 = 'request', p.2 IN ('"visit"', '"prefetch"', '"head"'),
        p.1 = 'device_type',
            p.2 IN ('"desktop"', '"mobile"', '"tablet"', '"tv"', '"console"', '"other"', '"unknown"'),
        p.1 = 'result',
            p.2 IN (
                '"recorded"', '"updated"', '"duplicate"', '"stale"', '"ignored"', '"parked"', '"unmatched"',
                '"rejected"', '"conflict"', '"sent"', '"retry"', '"dead"', '"passed"', '"empty"'),
        p.1 = 'direction', p.2 IN ('"in"', '"out"'),
        p.1 IN ('cost', 'bot_cost', 'sale_cost', 'revenue'),
            (p.2 = 'null' AND p.1 != 'revenue')
                OR (match(p.2, '^{("amount":"-?[0-9]{1,10}([.][0-9]{1,28})?","currency":"[A-Za-z]{3}"|"currency":"[A-Za-z]{3}","amount":"-?[0-9]{1,10}([.][0-9]{1,28})?")}$')
                    AND abs(toDecimal256OrZero(JSONExtractString(p.2, 'amount'), 30)) <= 1000000000),
        p.1 = 'conversion_status',
            startsWith(p.2, '"')
                AND lengthUTF8(trimBoth(JSONExtractString(p.2))) BETWEEN 1 AND 64
                AND NOT match(trimBoth(JSONExtractString(p.2)), '\\p{Cc}'),
        p.1 = 'subs', match(p.2, '^\\[("([^"\\\\]|\\\\.)*"(,"([^"\\\\]|\\\\.)*")*)?\\]$'),
        p.1 = 'params',
            match(p.2, '^\\[(\\["([^"\\\\]|\\\\.)*","([^"\\\\]|\\\\.)*"\\](,\\["([^"\\\\]|\\\\.)*","([^"\\\\]|\\\\.)*"\\])*)?\\]$'),
        p.1 = 'handed_over', match(p.2, '^\\[("cmp_[0-9a-z]{19}"(,"cmp_[0-9a-z]{19}")*)?\\]$'),
        p.1 = 'passed',
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
    click_id           String,
    at                 DateTime64(3, 'UTC'),
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
    connection_type    LowCardinality(String),
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
    cost_refused       String,
    status             UInt16,
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
            schema UInt16, click_id String, outcome String, request String, campaign_id String,
            deciding_campaign_id String, stream_id String, destination_id String, source_id String, network_id String,
            country String, region String, city String, isp String, connection_type String, device_type String,
            os String, browser String, language String, referrer_host String, keyword String, subs Array(String),
            is_bot Bool, test Bool, visitor_id String, unique_campaign Bool, unique_stream Bool,
            unique_destination Bool, cost Tuple(amount String, currency String),
            bot_cost Tuple(amount String, currency String), cost_refused String, status UInt16)') AS e,
    -- Bots of before there was bot_cost carry theirs as cost.
    e.is_bot AND e.bot_cost.currency != '' AS of_bot,
    if(e.outcome = '', 'routed', e.outcome) AS outcome_,
    if(e.request = '', 'visit', e.request) AS request_,
    arrayFilter(f -> NOT has(fields, f), [
            'schema', 'click_id', 'at', 'visitor_id', 'status', 'config_revision']) AS missing
SELECT
    upper(e.click_id) AS click_id,
    fromUnixTimestamp64Milli(arraySum(arrayMap(
            (c, n) -> bitShiftLeft(toInt64(position('0123456789ABCDEFGHJKMNPQRSTVWXYZ', c)) - 1, 50 - 5 * n),
            arraySlice(ngrams(rightPad(upper(e.click_id), 26, '0'), 1), 1, 10), range(1, 11))), 'UTC') AS at,
    multiIf(request_ != 'visit', 'prefetch', e.is_bot, 'bot', outcome_ != 'routed', 'trafficback', 'click') AS kind,
    outcome_ AS outcome,
    request_ AS request,
    e.campaign_id AS campaign_id,
    e.deciding_campaign_id AS deciding_campaign_id,
    e.stream_id AS stream_id,
    e.destination_id AS destination_id,
    e.source_id AS source_id,
    e.network_id AS network_id,
    e.country AS country,
    e.region AS region,
    e.city AS city,
    e.isp AS isp,
    e.connection_type AS connection_type,
    if(e.device_type = '', 'unknown', e.device_type) AS device_type,
    e.os AS os,
    e.browser AS browser,
    e.language AS language,
    e.referrer_host AS referrer_host,
    e.keyword AS keyword,
    e.subs AS subs,
    e.is_bot AS is_bot,
    e.test AS test,
    lower(e.visitor_id) AS visitor_id,
    e.unique_campaign AS unique_campaign,
    e.unique_stream AS unique_stream,
    e.unique_destination AS unique_destination,
    CAST(roundBankers(toDecimal256OrZero(if(of_bot, e.bot_cost.amount, e.cost.amount), 40), 6), 'Decimal(18, 6)') AS cost,
    upper(if(of_bot, e.bot_cost.currency, e.cost.currency)) AS cost_currency,
    e.cost_refused AS cost_refused,
    e.status AS status,
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
    click_id, at, kind, outcome, request, campaign_id, deciding_campaign_id, stream_id, destination_id, source_id,
    network_id, country, region, city, isp, connection_type, device_type, os, browser, language, referrer_host,
    keyword, subs, is_bot, test, visitor_id, unique_campaign, unique_stream, unique_destination, cost, cost_currency,
    cost_refused, status,
    raw AS event,
    topic AS _topic,
    partition AS _partition,
    offset AS _offset
FROM click_rows
WHERE problem = '' AND outcome = 'routed';

CREATE MATERIALIZED VIEW trafficback_events_store_mv TO trafficback_events AS
SELECT
    click_id, at, kind, outcome, request, campaign_id, deciding_campaign_id, stream_id, destination_id, source_id,
    network_id, country, region, city, isp, connection_type, device_type, os, browser, language, referrer_host,
    keyword, subs, is_bot, test, visitor_id, unique_campaign, unique_stream, unique_destination, cost, cost_currency,
    cost_refused, status,
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
    conversion_id      String,
    version            UInt64,
    reporter_id        LowCardinality(String),
    transaction_id     String,
    click_id           String,
    click_at           DateTime64(3, 'UTC'),
    created_at         DateTime64(3, 'UTC'),
    updated_at         DateTime64(3, 'UTC'),
    status             LowCardinality(String),
    raw_status         String,
    revenue            Decimal(18, 6),
    currency           LowCardinality(String),
    cost               Decimal(18, 6),
    cost_currency      LowCardinality(String),
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
    connection_type    LowCardinality(String),
    device_type        LowCardinality(String),
    os                 LowCardinality(String),
    browser            LowCardinality(String),
    language           LowCardinality(String),
    referrer_host      LowCardinality(String),
    keyword            String,
    subs               Array(String),
    is_bot             Bool,
    test               Bool,
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
            schema UInt16, conversion_id String, version UInt64, reporter_id String, transaction_id String,
            click_id String, click_at String, created_at String, updated_at String, conversion_status String,
            raw_status String, revenue Tuple(amount String, currency String),
            cost Tuple(amount String, currency String), campaign_id String, deciding_campaign_id String,
            stream_id String, destination_id String, source_id String, network_id String, country String,
            region String, city String, isp String, connection_type String, device_type String, os String,
            browser String, language String, referrer_host String, keyword String, subs Array(String), is_bot Bool,
            test Bool)') AS e,
    arrayFilter(f -> NOT has(fields, f), [
            'schema', 'conversion_id', 'version', 'reporter_id', 'click_id', 'click_at', 'created_at', 'updated_at',
            'conversion_status', 'revenue']) AS missing
SELECT
    e.conversion_id AS conversion_id,
    e.version AS version,
    e.reporter_id AS reporter_id,
    e.transaction_id AS transaction_id,
    upper(e.click_id) AS click_id,
    ifNull(parseDateTime64BestEffortOrNull(e.click_at, 3, 'UTC'), toDateTime64(0, 3, 'UTC')) AS click_at,
    ifNull(parseDateTime64BestEffortOrNull(e.created_at, 3, 'UTC'), toDateTime64(0, 3, 'UTC')) AS created_at,
    ifNull(parseDateTime64BestEffortOrNull(e.updated_at, 3, 'UTC'), toDateTime64(0, 3, 'UTC')) AS updated_at,
    lowerUTF8(trimBoth(e.conversion_status)) AS status,
    e.raw_status AS raw_status,
    CAST(roundBankers(toDecimal256OrZero(e.revenue.amount, 40), 6), 'Decimal(18, 6)') AS revenue,
    upper(e.revenue.currency) AS currency,
    CAST(roundBankers(toDecimal256OrZero(e.cost.amount, 40), 6), 'Decimal(18, 6)') AS cost,
    upper(e.cost.currency) AS cost_currency,
    e.campaign_id AS campaign_id,
    e.deciding_campaign_id AS deciding_campaign_id,
    e.stream_id AS stream_id,
    e.destination_id AS destination_id,
    e.source_id AS source_id,
    e.network_id AS network_id,
    e.country AS country,
    e.region AS region,
    e.city AS city,
    e.isp AS isp,
    e.connection_type AS connection_type,
    if(e.device_type = '', 'unknown', e.device_type) AS device_type,
    e.os AS os,
    e.browser AS browser,
    e.language AS language,
    e.referrer_host AS referrer_host,
    e.keyword AS keyword,
    e.subs AS subs,
    e.is_bot AS is_bot,
    e.test AS test,
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
    conversion_id, version, reporter_id, transaction_id, click_id, click_at, created_at, updated_at, status,
    raw_status, revenue, currency, cost, cost_currency, campaign_id, deciding_campaign_id, stream_id, destination_id,
    source_id, network_id, country, region, city, isp, connection_type, device_type, os, browser, language,
    referrer_host, keyword, subs, is_bot, test,
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
    id                 String,
    at                 DateTime64(3, 'UTC'),
    network            LowCardinality(String),
    network_id         LowCardinality(String),
    template           LowCardinality(String),
    remote_ip          String,
    method             LowCardinality(String),
    result             LowCardinality(String),
    reason             String,
    status             UInt16,
    click_id           String,
    conversion_id      String,
    test               Bool,
    direction          LowCardinality(String),
    source             LowCardinality(String),
    source_id          LowCardinality(String),
    job                String,
    attempt            UInt16,
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
            schema UInt16, id String, network String, network_id String, template String, remote_ip String,
            method String, result String, reason String, status UInt16, click_id String, conversion_id String,
            test Bool, direction String, source String, source_id String, job String, attempt UInt16)') AS e,
    arrayFilter(f -> NOT has(fields, f), [
            'schema', 'id', 'at', 'network', 'remote_ip', 'method', 'result', 'status']) AS missing
SELECT
    upper(e.id) AS id,
    fromUnixTimestamp64Milli(arraySum(arrayMap(
            (c, n) -> bitShiftLeft(toInt64(position('0123456789ABCDEFGHJKMNPQRSTVWXYZ', c)) - 1, 50 - 5 * n),
            arraySlice(ngrams(rightPad(upper(e.id), 26, '0'), 1), 1, 10), range(1, 11))), 'UTC') AS at,
    e.network AS network,
    e.network_id AS network_id,
    e.template AS template,
    e.remote_ip AS remote_ip,
    e.method AS method,
    e.result AS result,
    e.reason AS reason,
    e.status AS status,
    upper(e.click_id) AS click_id,
    e.conversion_id AS conversion_id,
    e.test AS test,
    if(e.direction = '', 'in', e.direction) AS direction,
    e.source AS source,
    e.source_id AS source_id,
    e.job AS job,
    e.attempt AS attempt,
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
    id, at, network, network_id, template, remote_ip, method, result, reason, status, click_id, conversion_id, test,
    direction, source, source_id, job, attempt,
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
    id                 String,
    at                 DateTime64(3, 'UTC'),
    destination_id     LowCardinality(String),
    topic              LowCardinality(String),
    partition          Int32,
    offset             Int64,
    raw                String,
    problem            String
)
ENGINE = Null;

CREATE MATERIALIZED VIEW destination_health_rows_mv TO destination_health_rows AS
WITH
    JSONExtract(raw, 'Tuple(schema UInt16, id String, destination_id String)') AS e,
    arrayFilter(f -> NOT has(fields, f), [
            'schema', 'id', 'at', 'destination_id']) AS missing
SELECT
    upper(e.id) AS id,
    fromUnixTimestamp64Milli(arraySum(arrayMap(
            (c, n) -> bitShiftLeft(toInt64(position('0123456789ABCDEFGHJKMNPQRSTVWXYZ', c)) - 1, 50 - 5 * n),
            arraySlice(ngrams(rightPad(upper(e.id), 26, '0'), 1), 1, 10), range(1, 11))), 'UTC') AS at,
    e.destination_id AS destination_id,
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
    id, at, destination_id,
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
