-- Pieces of agents' time that began in the timespan. Every table is held to the tenant here as well, although the views
-- only hold that tenant's files: two walls, so that a mistake in one of them shows nothing.
WITH day_reading AS (
    -- Midnights on the account's clocks, a day more than the timespan on either side.
    SELECT unnest(generate_series(
        date_trunc('day', $start AT TIME ZONE $account_zone) - INTERVAL 1 DAY,
        date_trunc('day', $end AT TIME ZONE $account_zone) + INTERVAL 1 DAY,
        INTERVAL 1 DAY
    )) AS reading
),

day_candidate AS (
    -- DuckDB takes the second instant of a midnight that occurs twice (Havana, every November), the product takes the
    -- first: the one with the offset that was in force the day before.
    SELECT
        reading,
        reading AT TIME ZONE $account_zone AS second_instant,
        (reading - (
            (reading - INTERVAL 1 DAY) - ((reading - INTERVAL 1 DAY) AT TIME ZONE $account_zone) AT TIME ZONE 'UTC'
        )) AT TIME ZONE 'UTC' AS first_instant
    FROM day_reading
),

account_day AS (
    -- The offset of the day before is the wrong one where clocks changed in between; then it does not give the reading.
    -- A midnight that does not exist is the instant of the change: the day begins an hour late.
    SELECT
        reading,
        CASE
            WHEN first_instant AT TIME ZONE $account_zone = reading THEN first_instant
            ELSE second_instant
        END AS starts_at
    FROM day_candidate
),

-- Names are looked up once per list of queue ids, not once per row.
route AS (
    SELECT DISTINCT queue_ids
    FROM adherence_event
    WHERE tenant = $tenant AND started_at >= $start AND started_at < $end
),

stop AS (
    SELECT queue_ids, unnest(queue_ids) AS queue_id, generate_subscripts(queue_ids, 1) AS position
    FROM route
),

named_route AS (
    SELECT
        stop.queue_ids,
        -- An event may arrive before the queue it names; the id is better than a gap.
        list(coalesce(queue.name, stop.queue_id) ORDER BY stop.position) AS queue_names
    FROM stop
    LEFT JOIN queue ON queue.tenant = $tenant AND queue.queue_id = stop.queue_id
    GROUP BY stop.queue_ids
)

SELECT
    coalesce(agent.name, event.agent_id) AS agent_name, -- never null for the vendor's clients
    agent.email AS agent_email,
    named_route.queue_names,
    team.name AS team_name,
    -- The vendor's example shows a city; the zone's own name ends with it.
    replace(regexp_extract($account_zone, '[^/]*$'), '_', ' ') AS account_zone_name,
    -- The vendor's example shows midnight for some pieces and the beginning of work for others and says no more. With the
    -- beginning of the shift, what was worked after midnight still counts under the evening before.
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
LEFT JOIN account_day ON account_day.reading = date_trunc('day', event.started_at AT TIME ZONE $account_zone)
LEFT JOIN agent ON agent.tenant = $tenant AND agent.agent_id = event.agent_id
LEFT JOIN team ON team.tenant = $tenant AND team.team_id = event.team_id
LEFT JOIN named_route ON named_route.queue_ids = event.queue_ids
WHERE event.tenant = $tenant AND event.started_at >= $start AND event.started_at < $end
