-- Stays that overlap the timespan, shown whole; their time counts as far as it lies in the timespan.
WITH stay AS (
    SELECT
        agent_id,
        state_id,
        state,
        kind,
        started_at,
        ended_at,
        changed_by,
        -- That an open stay will last beyond the order is not known.
        coalesce(ended_at, greatest(started_at, $as_of)) AS lasts_until
    FROM agent_state
    WHERE
        started_at < $end
        -- A stay of no length at the very start lies in the timespan; one that ends there does not.
        AND (started_at >= $start OR coalesce(ended_at, $as_of) > $start)
),

-- The state before is the one before by its beginning. History is long and the timespan is short, so history is only
-- passed through: once for each agent's last stay before the timespan, and once for what came before the stays that were
-- under way at its start.
last_before AS (
    SELECT agent_id, arg_max(state, started_at) AS state
    FROM agent_state
    WHERE started_at < $start
    GROUP BY agent_id
),

before_under_way AS (
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

joined_team AS (
    SELECT agent_id, team_id FROM team_member
),

known_team AS (
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
        WHEN stay.started_at < $start THEN before_under_way.state
        ELSE coalesce(
            lag(stay.state) OVER (PARTITION BY stay.agent_id, stay.started_at < $start ORDER BY stay.started_at),
            last_before.state
        )
    END AS previous_state
FROM stay
LEFT JOIN last_before ON last_before.agent_id = stay.agent_id
LEFT JOIN before_under_way
    ON before_under_way.agent_id = stay.agent_id AND before_under_way.started_at = stay.started_at
LEFT JOIN agent ON agent.agent_id = stay.agent_id
LEFT JOIN teams_of_agents('own_team', 'joined_team', 'known_team') AS teams ON teams.agent_id = stay.agent_id
WHERE chosen_any($team_ids, teams.team_ids)
