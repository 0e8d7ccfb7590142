-- Reports say by whom a conversion was reported, also where that is not the network of its click: those are published
-- once more.
UPDATE conversions SET unpublished = coalesce(unpublished, 0)
WHERE network IS NOT json_extract(body, '$.click.network_id');

-- Parked postbacks of one network about one click, in the order in which they came.
CREATE INDEX parked_of_click ON parked (network, click_id, received_ms, id);
