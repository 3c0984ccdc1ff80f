SELECT count(*)
FROM flow_step
WHERE started_at < $end AND flow_ended_at >= $start AND flow_ended_at < $end
