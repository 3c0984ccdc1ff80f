-- Stays of agents in states, split at the months of the account's zone, with the rows that end in the timespan.
WITH local_month_start AS (
    -- The first of each month in the account's zone, from the month before the timespan, which may end at its start.
    SELECT unnest(generate_series(
        date_trunc('month', $start AT TIME ZONE $account_zone) - INTERVAL 1 MONTH,
        date_trunc('month', $end AT TIME ZONE $account_zone) + INTERVAL 1 MONTH,
        INTERVAL 1 MONTH
    )) AS midnight
),

month_start AS (
    SELECT instant_of_midnight(midnight, $account_zone) AS starts_at
    FROM local_month_start
),

account_month AS (
    SELECT starts_at, lead(starts_at) OVER (ORDER BY starts_at) AS ends_at
    FROM month_start
    QUALIFY ends_at IS NOT NULL
),

-- The months as a list in one row. For a join with a table of months, DuckDB would estimate very few stays and then
-- hold all of them in memory as the smaller side of the joins with names.
calendar AS (
    SELECT list({'starts_at': starts_at, 'ends_at': ends_at}) AS months FROM account_month
),

stay_month AS (
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
            -- An open stay has rows only for months that ended before the creation of the export.
            AND (stay.ended_at IS NOT NULL OR period.ends_at <= $as_of)
        )) AS period
    FROM agent_state AS stay
    CROSS JOIN calendar
    WHERE
        -- The stay may end in the timespan; this condition drops older stays while the files are read.
        stay.started_at < $end
        AND (stay.ended_at >= $start OR stay.ended_at IS NULL)
),

stay_in_month AS (
    -- Nearly every stay overlaps one month only and is not split. An open stay overlaps all months; in the month that
    -- contains the end of the timespan, it ends too late to be a row.
    SELECT
        agent_id,
        state,
        team_id,
        queue_ids,
        greatest(started_at, period.starts_at) AS started_at,
        least(ended_at, period.ends_at) AS ended_at -- least() ignores null, the end of an open stay
    FROM stay_month
    WHERE least(ended_at, period.ends_at) >= $start AND least(ended_at, period.ends_at) < $end
),

-- There are few lists of queue ids. They come from one row, so DuckDB's estimate for them is low, and it holds them in
-- memory instead of the stays.
queue_list AS (
    SELECT unnest(list(DISTINCT queue_ids)) AS ids
    FROM agent_state
    WHERE
        started_at < $end
        AND (ended_at >= $start OR ended_at IS NULL)
),

named_queue AS (
    SELECT queue_id AS id, name FROM queue
)

SELECT
    stay_in_month.agent_id,
    coalesce(agent.name, stay_in_month.agent_id) AS agent_name, -- never null for the vendor's clients
    agent.email AS agent_email,
    stay_in_month.state,
    stay_in_month.started_at,
    stay_in_month.ended_at,
    -- date_diff() would count crossed boundaries of seconds; this counts whole elapsed seconds.
    (epoch_us(stay_in_month.ended_at) - epoch_us(stay_in_month.started_at)) // 1000000 AS state_seconds,
    coalesce(agent.is_active, false) AS is_agent_active,
    stay_in_month.team_id,
    team.name AS team_name,
    named_queue_list.names AS queue_names
FROM stay_in_month
LEFT JOIN agent ON agent.agent_id = stay_in_month.agent_id
LEFT JOIN team ON team.team_id = stay_in_month.team_id
LEFT JOIN named_lists('queue_list', 'named_queue') AS named_queue_list ON named_queue_list.ids = stay_in_month.queue_ids
