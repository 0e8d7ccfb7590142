  AND (:campaign IS NULL OR campaign = :campaign)
  AND (:network IS NULL OR network = :network)
  AND (:status IS NULL OR status = :status)
  AND (:test IS NULL OR NOT json_valid(body) OR coalesce(json_extract(body, '$.click.test'), 0) = :test)
  AND created_ms >= :since AND created_ms < :until
  AND (created_ms, id) < (:before_ms, :before_id)
ORDER BY created_ms DESC, id DESC
LIMIT :limit
