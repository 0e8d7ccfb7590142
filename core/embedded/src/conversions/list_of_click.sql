SELECT created_ms, id, body FROM conversions INDEXED BY conversions_of_click
WHERE click_id = :click
