SELECT count(*)
FROM response_approval
WHERE
    submitted_at >= $start
    AND submitted_at < $end
    AND fits_business_hours($business_hours, submitted_at)
    -- An unknown agent is not disabled.
    AND ($include_disabled OR coalesce(agent_id NOT IN (SELECT agent_id FROM agent WHERE NOT is_active), true))
