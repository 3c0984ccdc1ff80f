SELECT count(*)
FROM messaging_contact
WHERE started_at < $end AND finished_at >= $start AND finished_at < $end
