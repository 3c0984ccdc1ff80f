SELECT count(*)
FROM ring_attempt
WHERE ended_at >= $start AND ended_at < $end
