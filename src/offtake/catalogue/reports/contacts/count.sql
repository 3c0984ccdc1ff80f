SELECT count(*)
FROM contact
WHERE ended_at >= $start AND ended_at < $end
