-- The work of agents in each bucket of the timespan. The buckets are in the intermediate table `bucket_hour`. The
-- filters of conversations apply to the numbers about conversations, which are in the intermediate table `agent_work`,
-- but not to the times in states.
WITH bucket AS (
    SELECT DISTINCT bucket, starts_at, ends_at FROM bucket_hour
),

stay AS (
    SELECT
        agent_id,
        kind,
        is_mobile,
        -- An open stay counts up to the creation of the export.
        epoch_us(least(coalesce(ended_at, greatest(started_at, $as_of)), $end)) AS end_micros,
        epoch_us(greatest(started_at, $start)) AS start_micros
    FROM agent_state
    WHERE started_at < $end AND coalesce(ended_at, $as_of) > $start
),

stay_hour AS (
    SELECT *, unnest(range(start_micros // 3600000000, (end_micros - 1) // 3600000000 + 1)) AS hour
    FROM stay
    -- Other offline time is not counted, and would be most of the rows.
    WHERE end_micros > start_micros AND (kind IS DISTINCT FROM 'offline' OR is_mobile)
),

bucket_state_time AS (
    SELECT
        stay_hour.agent_id,
        bucket_hour.bucket,
        stay_hour.kind,
        stay_hour.is_mobile,
        greatest(
            least(stay_hour.end_micros, bucket_hour.end_micros, 3600000000 * (stay_hour.hour + 1))
            - greatest(stay_hour.start_micros, bucket_hour.start_micros, 3600000000 * stay_hour.hour),
            0
        ) AS microseconds
    FROM stay_hour
    INNER JOIN bucket_hour ON bucket_hour.hour = stay_hour.hour
),

state_time AS (
    SELECT
        agent_id,
        bucket,
        -- The colours add up to the time logged in, so a state of unknown kind has a colour, too.
        CAST(sum(CASE WHEN kind = 'offline' THEN 0 ELSE microseconds END) AS BIGINT) AS logged_in,
        CAST(sum(CASE WHEN kind = 'available' THEN microseconds ELSE 0 END) AS BIGINT) AS green,
        CAST(sum(CASE WHEN kind = 'away' OR kind IS NULL THEN microseconds ELSE 0 END) AS BIGINT) AS yellow,
        CAST(sum(CASE WHEN kind = 'busy' THEN microseconds ELSE 0 END) AS BIGINT) AS red,
        CAST(sum(CASE WHEN is_mobile THEN microseconds ELSE 0 END) AS BIGINT) AS mobile
    FROM bucket_state_time
    GROUP BY agent_id, bucket
),

own_team AS (
    SELECT agent_id, team_id FROM agent
),

team_membership AS (
    SELECT agent_id, team_id FROM team_member
),

named_team AS (
    SELECT team_id, number, name FROM team
),

-- All agents, also those without activity, and agents with activity that the lake does not have.
listed_agent AS (
    SELECT agent_id FROM agent
    UNION
    SELECT agent_id FROM agent_work
    UNION
    SELECT agent_id FROM stay WHERE end_micros > start_micros
)

SELECT
    bucket.starts_at AS interval_started_at,
    bucket.ends_at AS interval_ended_at,
    coalesce(CAST(agent.number AS VARCHAR), listed_agent.agent_id) AS agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    teams.team_names,
    coalesce(agent_work.responses, 0) AS responses,
    coalesce(agent_work.conversations_responded, 0) AS conversations_responded,
    coalesce(agent_work.conversations_claimed, 0) AS conversations_claimed,
    coalesce(agent_work.conversations_closed, 0) AS conversations_closed,
    coalesce(agent_work.conversations_reopened, 0) AS conversations_reopened,
    coalesce(agent_work.notes, 0) AS notes,
    coalesce(agent_work.actions, 0) AS actions,
    agent_work.average_first_response_seconds AS average_time_to_first_response_seconds,
    agent_work.average_response_seconds AS average_time_to_respond_seconds,
    agent_work.average_handle_seconds,
    agent_work.average_close_seconds AS average_time_to_close_seconds,
    -- Rounded with integers, in hundredths, so that the result does not depend on the binary form of a fraction.
    CASE
        WHEN state_time.logged_in > 0
            THEN CAST(
                (coalesce(agent_work.responses, 0) * 360000000000 + state_time.logged_in // 2)
                // state_time.logged_in AS DOUBLE
            ) / 100
    END AS responses_per_hour,
    coalesce(state_time.logged_in, 0) // 1000000 AS logged_in_seconds,
    coalesce(state_time.green, 0) // 1000000 AS green_seconds,
    coalesce(state_time.yellow, 0) // 1000000 AS yellow_seconds,
    coalesce(state_time.red, 0) // 1000000 AS red_seconds,
    coalesce(state_time.mobile, 0) // 1000000 AS mobile_seconds
FROM listed_agent
CROSS JOIN bucket
LEFT JOIN agent ON agent.agent_id = listed_agent.agent_id
LEFT JOIN teams_of_agents('own_team', 'team_membership', 'named_team') AS teams
    ON teams.agent_id = listed_agent.agent_id
LEFT JOIN agent_work ON agent_work.agent_id = listed_agent.agent_id AND agent_work.bucket = bucket.bucket
LEFT JOIN state_time ON state_time.agent_id = listed_agent.agent_id AND state_time.bucket = bucket.bucket
WHERE
    -- An agent that the lake does not have counts as not disabled.
    ($include_disabled OR coalesce(agent.is_active, true))
    AND chosen_any($team_ids, teams.team_ids)
