SELECT count(*)
FROM messaging_traffic
WHERE created_at >= $start AND created_at < $end
