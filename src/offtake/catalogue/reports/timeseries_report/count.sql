SELECT count(*)
FROM workforce_interval
WHERE started_at >= $start AND started_at < $end
