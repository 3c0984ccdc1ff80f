SELECT count(*)
FROM adherence_event
WHERE started_at >= $start AND started_at < $end
