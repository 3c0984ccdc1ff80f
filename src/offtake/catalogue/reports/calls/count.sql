SELECT count(*)
FROM call
WHERE ended_at >= $start AND ended_at < $end
