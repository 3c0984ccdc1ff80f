-- Stays that overlap the timespan, with their full bounds; only their time within the timespan counts.
WITH stay AS (
    SELECT
        agent_id,
        state_id,
        state,
        kind,
        started_at,
        ended_at,
        changed_by,
        -- An open stay counts up to the creation of the export.
        coalesce(ended_at, greatest(started_at, $as_of)) AS lasts_until
    FROM agent_state
    WHERE
        started_at < $end
        -- A stay of no length at the start of the timespan is in it; a stay that ends there is not.
        AND (started_at >= $start OR coalesce(ended_at, $as_of) > $start)
),

-- The previous state of a stay is the agent's state that began last before it. History is long and the timespan is
-- short, so history is scanned and not sorted: once for the last stay of each agent before the timespan, and once for
-- the stays that precede a stay which began before the timespan.
state_before_timespan AS (
    SELECT agent_id, arg_max(state, started_at) AS state
    FROM agent_state
    WHERE started_at < $start
    GROUP BY agent_id
),

state_before_stay AS (
    SELECT stay.agent_id, stay.started_at, arg_max(earlier.state, earlier.started_at) AS state
    FROM agent_state AS earlier
    INNER JOIN stay
        ON stay.agent_id = earlier.agent_id
        AND earlier.started_at < stay.started_at
        AND stay.started_at < $start
    GROUP BY stay.agent_id, stay.started_at
),

own_team AS (
    SELECT agent_id, team_id FROM agent
),

team_membership AS (
    SELECT agent_id, team_id FROM team_member
),

named_team AS (
    SELECT team_id, number, name FROM team
)

SELECT
    agent.name AS agent_name,
    agent.email AS agent_email,
    number_or_id(agent.number, stay.agent_id) AS agent_id,
    teams.team_names,
    stay.state_id,
    stay.state,
    CASE stay.kind WHEN 'available' THEN 'AVAILABLE' WHEN 'offline' THEN 'OFFLINE' ELSE 'CUSTOM' END AS state_type,
    stay.started_at,
    stay.ended_at,
    seconds_between(greatest(stay.started_at, $start), least(stay.lasts_until, $end)) AS state_seconds,
    stay.changed_by,
    CASE
        WHEN stay.started_at < $start THEN state_before_stay.state
        ELSE coalesce(
            lag(stay.state) OVER (PARTITION BY stay.agent_id, stay.started_at < $start ORDER BY stay.started_at),
            state_before_timespan.state
        )
    END AS previous_state
FROM stay
LEFT JOIN state_before_timespan ON state_before_timespan.agent_id = stay.agent_id
LEFT JOIN state_before_stay
    ON state_before_stay.agent_id = stay.agent_id AND state_before_stay.started_at = stay.started_at
LEFT JOIN agent ON agent.agent_id = stay.agent_id
LEFT JOIN teams_of_agents('own_team', 'team_membership', 'named_team') AS teams ON teams.agent_id = stay.agent_id
WHERE chosen_any($team_ids, teams.team_ids)
