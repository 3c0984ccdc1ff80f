SELECT count(*)
FROM agent_state
WHERE
    started_at < $end
    -- A stay of no length at the start of the timespan is in it; a stay that ends there is not.
    AND (started_at >= $start OR coalesce(ended_at, $as_of) > $start)
