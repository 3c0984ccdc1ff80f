-- Attempts that stopped ringing in the timespan. Every table is held to the tenant here as well, although the views only
-- hold that tenant's files: two walls, so that a mistake in one of them shows nothing.

-- Names are looked up once per list of queue ids, not once per attempt.
WITH route AS (
    SELECT DISTINCT queue_ids
    FROM ring_attempt
    WHERE tenant = $tenant AND ended_at >= $start AND ended_at < $end
),

stop AS (
    SELECT queue_ids, unnest(queue_ids) AS queue_id, generate_subscripts(queue_ids, 1) AS position
    FROM route
),

named_route AS (
    SELECT
        stop.queue_ids,
        -- An attempt may arrive before the queue it names; the id is better than a gap.
        list(coalesce(queue.name, stop.queue_id) ORDER BY stop.position) AS queue_names
    FROM stop
    LEFT JOIN queue ON queue.tenant = $tenant AND queue.queue_id = stop.queue_id
    GROUP BY stop.queue_ids
)

SELECT
    attempt.interaction_id,
    attempt.contact_id,
    attempt.batch_id,
    attempt.ring_attempt_id,
    CASE attempt.outcome
        WHEN 'answered' THEN 'Answered'
        WHEN 'canceled' THEN 'Canceled'
        WHEN 'device_unavailable' THEN 'Device Unavailable'
        WHEN 'ignored' THEN 'Ignored'
        WHEN 'rejected' THEN 'Rejected'
    END AS outcome,
    attempt.started_at,
    attempt.ended_at,
    seconds_between(attempt.started_at, attempt.ended_at) AS ring_seconds,
    agent.name AS agent_name,
    agent.email AS agent_email,
    team.name AS team_name,
    named_route.queue_names
FROM ring_attempt AS attempt
LEFT JOIN agent ON agent.tenant = $tenant AND agent.agent_id = attempt.agent_id
LEFT JOIN team ON team.tenant = $tenant AND team.team_id = attempt.team_id
LEFT JOIN named_route ON named_route.queue_ids = attempt.queue_ids
WHERE attempt.tenant = $tenant AND attempt.ended_at >= $start AND attempt.ended_at < $end
