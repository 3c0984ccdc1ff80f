-- Stays of agents in states, split at the months of the account's zone, with the rows that end in the timespan.
WITH local_month AS (
    -- The first of each month in the account's zone, from the month before the timespan, which may end at its start.
    SELECT unnest(generate_series(
        date_trunc('month', $start AT TIME ZONE $account_zone) - INTERVAL 1 MONTH,
        date_trunc('month', $end AT TIME ZONE $account_zone) + INTERVAL 1 MONTH,
        INTERVAL 1 MONTH
    )) AS midnight
),

month_start AS (
    SELECT instant_of_midnight(midnight, $account_zone) AS starts_at
    FROM local_month
),

account_month AS (
    SELECT starts_at, lead(starts_at) OVER (ORDER BY starts_at) AS ends_at
    FROM month_start
    QUALIFY ends_at IS NOT NULL
),

-- The months as a list in one row. For a join with a table of months, DuckDB would estimate very few stays and then hold
-- all of them in memory as the smaller side of the joins with names.
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
                OR stay.started_at >= period.starts_at -- a stay of no length at the start of the month
            )
            -- The timespan may reach into the future, until which an open stay is not known to last.
            AND (stay.ended_at IS NOT NULL OR period.ends_at <= $as_of)
        )) AS period
    FROM agent_state AS stay
    CROSS JOIN calendar
    WHERE
        -- A necessary condition of the ends of pieces, so that older stays are dropped while the files are read.
        stay.started_at < $end
        AND (stay.ended_at >= $start OR stay.ended_at IS NULL)
),

piece AS (
    -- Nearly every stay overlaps one month and stays whole. An open stay overlaps all months; its piece in the month
    -- that contains the end of the timespan ends too late to be a row.
    SELECT
        agent_id,
        state,
        team_id,
        queue_ids,
        greatest(started_at, period.starts_at) AS started_at,
        least(ended_at, period.ends_at) AS ended_at -- least() ignores null, the end of an open stay
    FROM met
    WHERE least(ended_at, period.ends_at) >= $start AND least(ended_at, period.ends_at) < $end
),

-- There are few lists of queue ids. As they come from one row, DuckDB estimates that and holds them in memory instead of
-- the stays.
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
    -- date_diff() would count crossed boundaries of seconds; this counts whole elapsed seconds.
    (epoch_us(piece.ended_at) - epoch_us(piece.started_at)) // 1000000 AS state_seconds,
    coalesce(agent.is_active, false) AS is_agent_active,
    piece.team_id,
    team.name AS team_name,
    named_route.names AS queue_names
FROM piece
LEFT JOIN agent ON agent.agent_id = piece.agent_id
LEFT JOIN team ON team.team_id = piece.team_id
LEFT JOIN named_lists('route', 'known_queue') AS named_route ON named_route.ids = piece.queue_ids
