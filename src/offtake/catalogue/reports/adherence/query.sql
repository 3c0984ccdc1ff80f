-- Pieces of agents' time, compared with their schedules, that began in the timespan.
WITH local_day AS (
    -- Midnights in the account's zone, from one day before the timespan to one day after it.
    SELECT unnest(generate_series(
        date_trunc('day', $start AT TIME ZONE $account_zone) - INTERVAL 1 DAY,
        date_trunc('day', $end AT TIME ZONE $account_zone) + INTERVAL 1 DAY,
        INTERVAL 1 DAY
    )) AS midnight
),

account_day AS (
    SELECT midnight, instant_of_midnight(midnight, $account_zone) AS starts_at
    FROM local_day
),

route AS (
    SELECT DISTINCT queue_ids AS ids
    FROM adherence_event
    WHERE started_at >= $start AND started_at < $end
),

known_queue AS (
    SELECT queue_id AS id, name FROM queue
)

SELECT
    coalesce(agent.name, event.agent_id) AS agent_name, -- never null for the vendor's clients
    agent.email AS agent_email,
    named_route.names AS queue_names,
    team.name AS team_name,
    -- The vendor's example shows a city, which is the end of the zone's name.
    replace(regexp_extract($account_zone, '[^/]*$'), '_', ' ') AS account_zone_name,
    -- The vendor's example shows midnight for some rows and the beginning of work for others, without a rule. Here it
    -- is the beginning of the shift, so that work after midnight counts towards the evening before.
    coalesce(event.shift_started_at, account_day.starts_at) AS reference_at,
    event.started_at,
    event.ended_at,
    seconds_between(event.started_at, event.ended_at) AS event_seconds,
    CASE WHEN event.is_aligned THEN 'Aligned' ELSE 'Deviated' END AS adherence_status,
    event.shift_status,
    event.scheduled_event_name,
    CASE WHEN event.is_paid THEN 'Paid' WHEN NOT event.is_paid THEN 'Unpaid' END AS scheduled_pay_status,
    event.actual_state,
    event.agent_id
FROM adherence_event AS event
LEFT JOIN account_day ON account_day.midnight = date_trunc('day', event.started_at AT TIME ZONE $account_zone)
LEFT JOIN agent ON agent.agent_id = event.agent_id
LEFT JOIN team ON team.team_id = event.team_id
LEFT JOIN named_lists('route', 'known_queue') AS named_route ON named_route.ids = event.queue_ids
WHERE event.started_at >= $start AND event.started_at < $end
