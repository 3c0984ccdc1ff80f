-- The queues that are not archived.
SELECT queue_id AS id, number, name, description
FROM queue
WHERE NOT coalesce(is_archived, false)
ORDER BY name, queue_id
LIMIT $max_rows
