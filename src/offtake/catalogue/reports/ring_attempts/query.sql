-- Attempts that stopped ringing in the timespan.
WITH queue_list AS (
    SELECT DISTINCT queue_ids AS ids
    FROM ring_attempt
    WHERE ended_at >= $start AND ended_at < $end
),

named_queue AS (
    SELECT queue_id AS id, name FROM queue
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
    named_queue_list.names AS queue_names
FROM ring_attempt AS attempt
LEFT JOIN agent ON agent.agent_id = attempt.agent_id
LEFT JOIN team ON team.team_id = attempt.team_id
LEFT JOIN named_lists('queue_list', 'named_queue') AS named_queue_list ON named_queue_list.ids = attempt.queue_ids
WHERE attempt.ended_at >= $start AND attempt.ended_at < $end
