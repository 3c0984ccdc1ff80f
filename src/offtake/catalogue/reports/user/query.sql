-- Current agents, the time of their stays in states within the timespan, and their current state.
WITH stay AS (
    SELECT
        agent_id,
        state,
        kind,
        is_mobile,
        started_at,
        started_at <= $as_of AND (ended_at > $as_of OR ended_at IS NULL) AS is_current,
        -- An open stay counts up to the creation of the export.
        greatest(
            epoch_us(least(coalesce(ended_at, greatest(started_at, $as_of)), $end))
            - epoch_us(greatest(started_at, $start)),
            0
        ) AS microseconds
    FROM agent_state
    WHERE
        started_at < $end AND coalesce(ended_at, $as_of) > $start
        OR started_at <= $as_of AND (ended_at > $as_of OR ended_at IS NULL)
),

state_time AS (
    SELECT
        agent_id,
        -- The colours add up to the time logged in, so a state of unknown kind has a colour, too.
        CAST(sum(CASE WHEN kind = 'offline' THEN 0 ELSE microseconds END) AS BIGINT) AS logged_in,
        CAST(sum(CASE WHEN kind = 'available' THEN microseconds ELSE 0 END) AS BIGINT) AS green,
        CAST(sum(CASE WHEN kind = 'away' OR kind IS NULL THEN microseconds ELSE 0 END) AS BIGINT) AS yellow,
        CAST(sum(CASE WHEN kind = 'busy' THEN microseconds ELSE 0 END) AS BIGINT) AS red,
        CAST(sum(CASE WHEN is_mobile THEN microseconds ELSE 0 END) AS BIGINT) AS mobile,
        arg_max(state, started_at) FILTER (is_current) AS current_state
    FROM stay
    GROUP BY agent_id
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
    number_or_id(agent.number, agent.agent_id) AS agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    coalesce(state_time.logged_in, 0) // 1000000 AS logged_in_seconds,
    coalesce(state_time.green, 0) // 1000000 AS green_seconds,
    coalesce(state_time.yellow, 0) // 1000000 AS yellow_seconds,
    coalesce(state_time.red, 0) // 1000000 AS red_seconds,
    coalesce(state_time.mobile, 0) // 1000000 AS mobile_seconds,
    coalesce(state_time.logged_in, 0) // 1000 AS logged_in_milliseconds,
    coalesce(state_time.green, 0) // 1000 AS green_milliseconds,
    coalesce(state_time.yellow, 0) // 1000 AS yellow_milliseconds,
    coalesce(state_time.red, 0) // 1000 AS red_milliseconds,
    coalesce(state_time.mobile, 0) // 1000 AS mobile_milliseconds,
    agent.agent_id AS internal_agent_id,
    agent.sso_id,
    agent.given_name,
    agent.family_name,
    agent.role,
    teams.team_ids,
    teams.team_names,
    agent.is_active AS is_enabled,
    agent.created_at,
    agent.last_login_at,
    state_time.current_state,
    agent.language,
    agent.time_zone
FROM agent
LEFT JOIN state_time ON state_time.agent_id = agent.agent_id
LEFT JOIN teams_of_agents('own_team', 'team_membership', 'named_team') AS teams ON teams.agent_id = agent.agent_id
WHERE
    ($include_disabled OR agent.is_active)
    AND chosen($agent_ids, number_or_id(agent.number, agent.agent_id))
    AND chosen_any($team_ids, teams.team_ids)
