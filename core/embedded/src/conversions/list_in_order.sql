SELECT created_ms, id, body FROM conversions INDEXED BY conversions_in_order
WHERE :click IS NULL
