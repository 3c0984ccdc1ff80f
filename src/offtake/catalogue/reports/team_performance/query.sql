-- What agents did in the timespan. Numbers about conversations, from the intermediate tables `work` and `done`, obey the filters about
-- conversations, the times in states do not.
WITH stay AS (
    SELECT
        agent_id,
        kind,
        is_mobile,
        -- That an open stay will last beyond the order is not known.
        epoch_us(least(coalesce(ended_at, greatest(started_at, $as_of)), $end)) - epoch_us(greatest(started_at, $start)) AS microseconds
    FROM agent_state
    WHERE started_at < $end AND coalesce(ended_at, $as_of) > $start
),

present AS (
    SELECT
        agent_id,
        -- Colours add up to the time logged in, so a state of unknown kind has one, too.
        CAST(sum(CASE WHEN kind = 'offline' THEN 0 ELSE microseconds END) AS BIGINT) AS logged_in,
        CAST(sum(CASE WHEN kind = 'available' THEN microseconds ELSE 0 END) AS BIGINT) AS green,
        CAST(sum(CASE WHEN kind = 'away' OR kind IS NULL THEN microseconds ELSE 0 END) AS BIGINT) AS yellow,
        CAST(sum(CASE WHEN kind = 'busy' THEN microseconds ELSE 0 END) AS BIGINT) AS red,
        CAST(sum(CASE WHEN is_mobile THEN microseconds ELSE 0 END) AS BIGINT) AS mobile
    FROM stay
    WHERE microseconds > 0
    GROUP BY agent_id
),

own_team AS (
    SELECT agent_id, team_id FROM agent
),

joined_team AS (
    SELECT agent_id, team_id FROM team_member
),

known_team AS (
    SELECT team_id, number, name FROM team
),

-- All agents, those who did nothing as well, and those whom the lake does not know once they did something.
person AS (
    SELECT agent_id FROM agent
    UNION
    SELECT agent_id FROM done
    UNION
    SELECT agent_id FROM present
)

SELECT
    coalesce(CAST(agent.number AS VARCHAR), person.agent_id) AS agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    teams.team_names,
    coalesce(done.responses, 0) AS responses,
    coalesce(done.responded, 0) AS conversations_responded,
    coalesce(done.claimed, 0) AS conversations_claimed,
    coalesce(done.closed, 0) AS conversations_closed,
    coalesce(done.reopened, 0) AS conversations_reopened,
    coalesce(done.notes, 0) AS notes,
    coalesce(done.actions, 0) AS actions,
    CAST(done.first_wait // 1000000 AS BIGINT) AS average_time_to_first_response_seconds,
    CAST(done.wait // 1000000 AS BIGINT) AS average_time_to_respond_seconds,
    CAST(done.handle_milliseconds // 1000 AS BIGINT) AS average_handle_seconds,
    CAST(done.time_to_close // 1000000 AS BIGINT) AS average_time_to_close_seconds,
    -- In whole hundredths first, so that the rounding does not depend on how a fraction is stored.
    CASE
        WHEN present.logged_in > 0
            THEN CAST(
                (coalesce(done.responses, 0) * 360000000000 + present.logged_in // 2) // present.logged_in AS DOUBLE
            ) / 100
    END AS responses_per_hour,
    coalesce(present.logged_in, 0) // 1000000 AS logged_in_seconds,
    coalesce(present.green, 0) // 1000000 AS green_seconds,
    coalesce(present.yellow, 0) // 1000000 AS yellow_seconds,
    coalesce(present.red, 0) // 1000000 AS red_seconds,
    coalesce(present.mobile, 0) // 1000000 AS mobile_seconds
FROM person
LEFT JOIN agent ON agent.agent_id = person.agent_id
LEFT JOIN teams_of_agents('own_team', 'joined_team', 'known_team') AS teams ON teams.agent_id = person.agent_id
LEFT JOIN done ON done.agent_id = person.agent_id
LEFT JOIN present ON present.agent_id = person.agent_id
WHERE
    -- Whether an agent whom the lake does not know is disabled is not known either.
    ($include_disabled OR coalesce(agent.is_active, true))
    AND chosen_any($team_ids, teams.team_ids)
