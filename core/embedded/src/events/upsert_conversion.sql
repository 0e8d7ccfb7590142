-- The highest version stays, in whatever order they come. network is who reported it; earlier programs kept the click's,
-- and such a row takes its version once more.
-- A state that left by age does not come back when it is delivered again; a later one does.
INSERT INTO conversions
    (id, version, click_ms, created_ms, status, facts, revenue, currency, campaign, stream, destination, source,
     network, country, region, city, isp, os, browser, language, referrer, keyword, subs, deciding)
SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
WHERE NOT EXISTS (SELECT 1 FROM conversions_left WHERE id = ?1 AND version >= ?2)
ON CONFLICT (id) DO UPDATE SET
    version = excluded.version, click_ms = excluded.click_ms, created_ms = excluded.created_ms,
    status = excluded.status, facts = excluded.facts, revenue = excluded.revenue, currency = excluded.currency,
    campaign = excluded.campaign, stream = excluded.stream, destination = excluded.destination,
    source = excluded.source, network = excluded.network, country = excluded.country, region = excluded.region,
    city = excluded.city, isp = excluded.isp, os = excluded.os, browser = excluded.browser,
    language = excluded.language, referrer = excluded.referrer, keyword = excluded.keyword, subs = excluded.subs,
    deciding = excluded.deciding
WHERE excluded.version > version OR (excluded.version = version AND excluded.network IS NOT network)
