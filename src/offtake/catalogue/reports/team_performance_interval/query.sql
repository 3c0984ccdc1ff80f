-- What agents did in each bucket of the timespan. Figures about conversations obey the filters about conversations, the times in states
-- do not. A fact whose conversation the lake does not know counts as long as no such filter is on. Every table is held to
-- the tenant here as well, although the views only hold that tenant's files: two walls, so that a mistake in one of them
-- shows nothing.
WITH way AS (
    -- A zone that is a mere offset has no days of its own: its buckets are counted from the start, like short ones.
    SELECT
        $interval_milliseconds > 604800000
        OR $interval_milliseconds IN (86400000, 604800000)
        AND NOT regexp_full_match($zone, 'Etc/.*|UTC|UCT|Universal|Zulu|Greenwich|GMT([+-]?0)?') AS is_by_calendar
),

reading AS (
    -- Midnights on the clocks of the zone: of days, of Mondays, of the first of each month.
    SELECT unnest(CASE
        WHEN $interval_milliseconds > 604800000 THEN generate_series(
            date_trunc('month', $start AT TIME ZONE $zone), $end AT TIME ZONE $zone + INTERVAL 1 DAY, INTERVAL 1 MONTH
        )
        WHEN $interval_milliseconds = 604800000 THEN generate_series(
            date_trunc('week', $start AT TIME ZONE $zone), $end AT TIME ZONE $zone + INTERVAL 1 DAY, INTERVAL 7 DAY
        )
        ELSE generate_series(
            date_trunc('day', $start AT TIME ZONE $zone), $end AT TIME ZONE $zone + INTERVAL 1 DAY, INTERVAL 1 DAY
        )
    END) AS midnight
    FROM way
    WHERE way.is_by_calendar
),

candidate AS (
    -- DuckDB takes the second instant of a midnight that occurs twice (Havana, 1 November 2020), the product takes the
    -- first: the one with the offset that was in force the day before.
    SELECT
        midnight,
        midnight AT TIME ZONE $zone AS second_instant,
        (midnight - (
            (midnight - INTERVAL 1 DAY) - ((midnight - INTERVAL 1 DAY) AT TIME ZONE $zone) AT TIME ZONE 'UTC'
        )) AT TIME ZONE 'UTC' AS first_instant
    FROM reading
),

cut AS (
    SELECT $start AS starts_at
    UNION
    -- The offset of the day before is the wrong one where clocks changed in between; then it does not give the reading.
    SELECT CASE WHEN first_instant AT TIME ZONE $zone = midnight THEN first_instant ELSE second_instant END
    FROM candidate
    UNION
    SELECT make_timestamptz(unnest(range(
        epoch_us($start), epoch_us($end), 1000 * CAST($interval_milliseconds AS BIGINT)
    )))
    FROM way
    WHERE NOT way.is_by_calendar
),

bucket AS MATERIALIZED (
    SELECT starts_at, lead(starts_at, 1, $end) OVER (ORDER BY starts_at) AS ends_at
    FROM cut
    WHERE starts_at >= $start AND starts_at < $end
),

-- A bucket by the hours since 1970 that it meets: facts find theirs by the hour, so that millions of them need not be
-- sorted, whatever the shape of the buckets.
piece AS MATERIALIZED (
    SELECT
        starts_at,
        epoch_us(starts_at) AS start_micros,
        epoch_us(ends_at) AS end_micros,
        unnest(range(epoch_us(starts_at) // 3600000000, (epoch_us(ends_at) - 1) // 3600000000 + 1)) AS hour
    FROM bucket
),

first_response AS (
    -- Of two at the same instant the one with the smaller id, so that there is one.
    SELECT post.conversation_id, min({'at': post.happened_at, 'id': post.post_id}).id AS post_id
    FROM post
    WHERE
        post.tenant = $tenant
        AND post.happened_at < $end
        AND post.kind = 'response'
        AND post.delivery IS DISTINCT FROM 'failed'
        -- History is long: only the conversations of the timespan are of interest.
        AND post.conversation_id IN (
            SELECT recent.conversation_id
            FROM post AS recent
            WHERE
                recent.tenant = $tenant
                AND recent.happened_at >= $start
                AND recent.happened_at < $end
                AND recent.kind = 'response'
        )
    GROUP BY post.conversation_id
),

-- Conversations are counted by grouping twice, which spills to disk where counting distinct ones does not.
answered AS (
    SELECT
        response.agent_id,
        piece.starts_at,
        response.conversation_id,
        count(*) AS responses,
        sum(epoch_us(response.happened_at) - epoch_us(asked.happened_at)) AS waited,
        count(asked.post_id) AS waits,
        -- A conversation that another was merged into may have a history from before its creation.
        sum(greatest(epoch_us(response.happened_at) - epoch_us(conversation.created_at), 0)) FILTER (
            conversation.direction = 'inbound' AND response.post_id = first_response.post_id
        ) AS waited_first,
        count(*) FILTER (conversation.direction = 'inbound' AND response.post_id = first_response.post_id) AS first_waits
    FROM post AS response
    INNER JOIN piece
        ON piece.hour = epoch_us(response.happened_at) // 3600000000
        AND piece.start_micros <= epoch_us(response.happened_at)
        AND piece.end_micros > epoch_us(response.happened_at)
    LEFT JOIN post AS asked
        ON asked.tenant = $tenant
        AND asked.post_id = response.in_reply_to_post_id
        AND asked.kind = 'incoming'
        AND asked.happened_at <= response.happened_at
    LEFT JOIN first_response ON first_response.conversation_id = response.conversation_id
    LEFT JOIN conversation
        ON conversation.tenant = $tenant
        AND conversation.conversation_id = response.conversation_id
        AND conversation.created_at < $end
    LEFT JOIN queue ON queue.tenant = $tenant AND queue.queue_id = conversation.queue_id
    WHERE
        response.tenant = $tenant
        AND response.happened_at >= $start
        AND response.happened_at < $end
        AND response.kind = 'response'
        AND response.delivery IS DISTINCT FROM 'failed'
        AND response.agent_id IS NOT NULL
        AND fits_business_hours($business_hours, response.happened_at)
        AND chosen($priorities, conversation.priority)
        AND chosen($queue_ids, queue.number)
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
    GROUP BY response.agent_id, piece.starts_at, response.conversation_id
),

answering AS (
    SELECT
        agent_id,
        starts_at,
        CAST(sum(responses) AS BIGINT) AS responses,
        count(*) AS conversations,
        sum(waited) // nullif(sum(waits), 0) AS wait,
        sum(waited_first) // nullif(sum(first_waits), 0) AS first_wait
    FROM answered
    GROUP BY agent_id, starts_at
),

touched AS (
    SELECT
        action.agent_id,
        piece.starts_at,
        action.conversation_id,
        count(*) AS actions,
        count(*) FILTER (action.kind = 'NOTE_ADDED') AS notes,
        bool_or(action.kind = 'CLAIMED') AS is_claimed,
        bool_or(action.kind = 'REOPENED') AS is_reopened,
        max(action.happened_at) FILTER (action.kind = 'CLOSED') AS closed_at,
        any_value(conversation.created_at) AS created_at,
        any_value(conversation.handle_milliseconds) AS handle_milliseconds
    FROM conversation_action AS action
    INNER JOIN piece
        ON piece.hour = epoch_us(action.happened_at) // 3600000000
        AND piece.start_micros <= epoch_us(action.happened_at)
        AND piece.end_micros > epoch_us(action.happened_at)
    LEFT JOIN conversation
        ON conversation.tenant = $tenant
        AND conversation.conversation_id = action.conversation_id
        AND conversation.created_at < $end
    LEFT JOIN queue ON queue.tenant = $tenant AND queue.queue_id = conversation.queue_id
    WHERE
        action.tenant = $tenant
        AND action.happened_at >= $start
        AND action.happened_at < $end
        AND action.agent_id IS NOT NULL
        AND fits_business_hours($business_hours, action.happened_at)
        AND chosen($priorities, conversation.priority)
        AND chosen($queue_ids, queue.number)
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
    GROUP BY action.agent_id, piece.starts_at, action.conversation_id
),

acting AS (
    SELECT
        agent_id,
        starts_at,
        CAST(sum(actions) AS BIGINT) AS actions,
        CAST(sum(notes) AS BIGINT) AS notes,
        count(*) FILTER (is_claimed) AS claimed,
        count(*) FILTER (is_reopened) AS reopened,
        count(closed_at) AS closed,
        sum(greatest(epoch_us(closed_at) - epoch_us(created_at), 0)) FILTER (closed_at IS NOT NULL AND created_at IS NOT NULL)
            // nullif(count(created_at) FILTER (closed_at IS NOT NULL), 0) AS time_to_close,
        sum(handle_milliseconds) FILTER (closed_at IS NOT NULL)
            // nullif(count(handle_milliseconds) FILTER (closed_at IS NOT NULL), 0) AS handle_milliseconds
    FROM touched
    GROUP BY agent_id, starts_at
),

stay AS (
    SELECT
        agent_id,
        kind,
        is_mobile,
        -- That an open stay will last beyond the order is not known.
        epoch_us(least(coalesce(ended_at, greatest(started_at, $as_of)), $end)) AS end_micros,
        epoch_us(greatest(started_at, $start)) AS start_micros
    FROM agent_state
    WHERE tenant = $tenant AND started_at < $end AND coalesce(ended_at, $as_of) > $start
),

stay_hour AS (
    SELECT *, unnest(range(start_micros // 3600000000, (end_micros - 1) // 3600000000 + 1)) AS hour
    FROM stay
    WHERE end_micros > start_micros AND (kind IS DISTINCT FROM 'offline' OR is_mobile) -- nights would be most of it
),

spent AS (
    SELECT
        stay_hour.agent_id,
        piece.starts_at,
        stay_hour.kind,
        stay_hour.is_mobile,
        greatest(
            least(stay_hour.end_micros, piece.end_micros, 3600000000 * (stay_hour.hour + 1))
            - greatest(stay_hour.start_micros, piece.start_micros, 3600000000 * stay_hour.hour),
            0
        ) AS microseconds
    FROM stay_hour
    INNER JOIN piece ON piece.hour = stay_hour.hour
),

present AS (
    SELECT
        agent_id,
        starts_at,
        -- Colours add up to the time logged in, so a state of unknown kind has one, too.
        CAST(sum(CASE WHEN kind = 'offline' THEN 0 ELSE microseconds END) AS BIGINT) AS logged_in,
        CAST(sum(CASE WHEN kind = 'available' THEN microseconds ELSE 0 END) AS BIGINT) AS green,
        CAST(sum(CASE WHEN kind = 'away' OR kind IS NULL THEN microseconds ELSE 0 END) AS BIGINT) AS yellow,
        CAST(sum(CASE WHEN kind = 'busy' THEN microseconds ELSE 0 END) AS BIGINT) AS red,
        CAST(sum(CASE WHEN is_mobile THEN microseconds ELSE 0 END) AS BIGINT) AS mobile
    FROM spent
    GROUP BY agent_id, starts_at
),

-- A source may fill an agent's own team, the memberships, or both.
membership AS (
    SELECT agent_id, team_id FROM team_member WHERE tenant = $tenant
    UNION
    SELECT agent_id, team_id FROM agent WHERE tenant = $tenant AND team_id IS NOT NULL
),

teams AS (
    SELECT
        membership.agent_id,
        list(coalesce(team.name, membership.team_id) ORDER BY coalesce(team.name, membership.team_id)) AS team_names,
        list(coalesce(CAST(team.number AS VARCHAR), membership.team_id)) AS team_ids
    FROM membership
    LEFT JOIN team ON team.tenant = $tenant AND team.team_id = membership.team_id
    GROUP BY membership.agent_id
),

-- All agents, those who did nothing as well, and those whom the lake does not know once they did something.
person AS (
    SELECT agent_id FROM agent WHERE tenant = $tenant
    UNION
    SELECT agent_id FROM answering
    UNION
    SELECT agent_id FROM acting
    UNION
    SELECT agent_id FROM stay WHERE end_micros > start_micros
)

SELECT
    bucket.starts_at AS interval_started_at,
    bucket.ends_at AS interval_ended_at,
    coalesce(CAST(agent.number AS VARCHAR), person.agent_id) AS agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    teams.team_names,
    coalesce(answering.responses, 0) AS responses,
    coalesce(answering.conversations, 0) AS conversations_responded,
    coalesce(acting.claimed, 0) AS conversations_claimed,
    coalesce(acting.closed, 0) AS conversations_closed,
    coalesce(acting.reopened, 0) AS conversations_reopened,
    coalesce(acting.notes, 0) AS notes,
    coalesce(acting.actions, 0) AS actions,
    CAST(answering.first_wait // 1000000 AS BIGINT) AS average_time_to_first_response_seconds,
    CAST(answering.wait // 1000000 AS BIGINT) AS average_time_to_respond_seconds,
    CAST(acting.handle_milliseconds // 1000 AS BIGINT) AS average_handle_seconds,
    CAST(acting.time_to_close // 1000000 AS BIGINT) AS average_time_to_close_seconds,
    -- In whole hundredths first, so that the rounding does not depend on how a fraction is stored.
    CASE
        WHEN present.logged_in > 0
            THEN CAST(
                (coalesce(answering.responses, 0) * 360000000000 + present.logged_in // 2) // present.logged_in AS DOUBLE
            ) / 100
    END AS responses_per_hour,
    coalesce(present.logged_in, 0) // 1000000 AS logged_in_seconds,
    coalesce(present.green, 0) // 1000000 AS green_seconds,
    coalesce(present.yellow, 0) // 1000000 AS yellow_seconds,
    coalesce(present.red, 0) // 1000000 AS red_seconds,
    coalesce(present.mobile, 0) // 1000000 AS mobile_seconds
FROM person
CROSS JOIN bucket
LEFT JOIN agent ON agent.tenant = $tenant AND agent.agent_id = person.agent_id
LEFT JOIN teams ON teams.agent_id = person.agent_id
LEFT JOIN answering ON answering.agent_id = person.agent_id AND answering.starts_at = bucket.starts_at
LEFT JOIN acting ON acting.agent_id = person.agent_id AND acting.starts_at = bucket.starts_at
LEFT JOIN present ON present.agent_id = person.agent_id AND present.starts_at = bucket.starts_at
WHERE
    -- Whether an agent whom the lake does not know is disabled is not known either.
    ($include_disabled OR coalesce(agent.is_active, true))
    AND chosen_any($team_ids, teams.team_ids)
