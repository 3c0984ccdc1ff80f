SELECT count(*)
FROM feedback
WHERE happened_at >= $start AND happened_at < $end
