-- Stays of agents in states, cut where the account's month changes; a row's end lies in the timespan.
WITH month_reading AS (
    -- The first of each month on the account's clocks: from the month before the timespan, whose end may be its start.
    SELECT unnest(generate_series(
        date_trunc('month', $start AT TIME ZONE $account_zone) - INTERVAL 1 MONTH,
        date_trunc('month', $end AT TIME ZONE $account_zone) + INTERVAL 1 MONTH,
        INTERVAL 1 MONTH
    )) AS reading
),

month_start AS (
    SELECT instant_of_midnight(reading, $account_zone) AS starts_at
    FROM month_reading
),

account_month AS (
    SELECT starts_at, lead(starts_at) OVER (ORDER BY starts_at) AS ends_at
    FROM month_start
    QUALIFY ends_at IS NOT NULL
),

-- A handful of months in one row. A join with them would look to DuckDB as if hardly a stay came out of it, and it would
-- keep all stays in memory to look up their names in what it takes for the larger tables.
calendar AS (
    SELECT list({'starts_at': starts_at, 'ends_at': ends_at}) AS months FROM account_month
),

met AS (
    SELECT
        stay.agent_id,
        stay.state,
        stay.team_id,
        stay.queue_ids,
        stay.started_at,
        stay.ended_at,
        unnest(list_filter(
            calendar.months,
            lambda period: stay.started_at < period.ends_at
            AND (
                stay.ended_at > period.starts_at
                OR stay.ended_at IS NULL
                OR stay.started_at >= period.starts_at -- a stay of no length at the very start of the month
            )
            -- The timespan may reach into the future; that an open stay will last until then is not known.
            AND (stay.ended_at IS NOT NULL OR period.ends_at <= $as_of)
        )) AS period
    FROM agent_state AS stay
    CROSS JOIN calendar
    WHERE
        -- Known of the pieces' ends already here, so that history is dropped while the files are read.
        stay.started_at < $end
        AND (stay.ended_at >= $start OR stay.ended_at IS NULL)
),

piece AS (
    -- Nearly every stay meets one month only and comes out as it is. An open stay meets all of them; its piece in the
    -- month that still runs at the end of the timespan ends too late to be a row.
    SELECT
        agent_id,
        state,
        team_id,
        queue_ids,
        greatest(started_at, period.starts_at) AS started_at,
        least(ended_at, period.ends_at) AS ended_at -- least() passes over null, the end of an open stay
    FROM met
    WHERE least(ended_at, period.ends_at) >= $start AND least(ended_at, period.ends_at) < $end
),

-- There are few lists of queue ids, which DuckDB learns from the one row they stand in: it keeps them in memory then, and
-- not the stays.
route AS (
    SELECT unnest(list(DISTINCT queue_ids)) AS ids
    FROM agent_state
    WHERE
        started_at < $end
        AND (ended_at >= $start OR ended_at IS NULL)
),

known_queue AS (
    SELECT queue_id AS id, name FROM queue
)

SELECT
    piece.agent_id,
    coalesce(agent.name, piece.agent_id) AS agent_name, -- never null for the vendor's clients
    agent.email AS agent_email,
    piece.state,
    piece.started_at,
    piece.ended_at,
    -- Not date_diff(), which counts the seconds' boundaries crossed; this counts whole seconds elapsed.
    (epoch_us(piece.ended_at) - epoch_us(piece.started_at)) // 1000000 AS state_seconds,
    coalesce(agent.is_active, false) AS is_agent_active,
    piece.team_id,
    team.name AS team_name,
    named_route.names AS queue_names
FROM piece
LEFT JOIN agent ON agent.agent_id = piece.agent_id
LEFT JOIN team ON team.team_id = piece.team_id
LEFT JOIN named_lists('route', 'known_queue') AS named_route ON named_route.ids = piece.queue_ids
