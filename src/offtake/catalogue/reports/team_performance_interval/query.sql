-- What agents did in each bucket of the timespan. Figures about conversations obey the filters about conversations, the times in states
-- do not. A fact whose conversation the lake does not know counts as long as no such filter is on. Every table is held to
-- the tenant here as well, although the views only hold that tenant's files: two walls, so that a mistake in one of them
-- shows nothing.
WITH way AS (
    -- A zone that is a mere offset has no days of its own: its buckets are counted from the start, like short ones.
    SELECT
        $interval_milliseconds > 604800000
        OR $interval_milliseconds IN (86400000, 604800000)
        AND NOT regexp_full_match($zone, 'Etc/.*|UTC|UCT|Universal|Zulu|Greenwich|GMT([+-]?0|[+-][0-9:]+)?') AS is_by_calendar
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
    SELECT
        starts_at,
        lead(starts_at, 1, $end) OVER (ORDER BY starts_at) AS ends_at,
        CAST(row_number() OVER (ORDER BY starts_at) AS INTEGER) AS number
    FROM cut
    WHERE starts_at >= $start AND starts_at < $end
),

-- A bucket by the hours since 1970 that it meets: facts find theirs by the hour, so that millions of them need not be
-- sorted, whatever the shape of the buckets.
piece AS MATERIALIZED (
    SELECT
        number,
        starts_at,
        epoch_us(starts_at) AS start_micros,
        epoch_us(ends_at) AS end_micros,
        unnest(range(epoch_us(starts_at) // 3600000000, (epoch_us(ends_at) - 1) // 3600000000 + 1)) AS hour
    FROM bucket
),

first_response AS (
    SELECT post.conversation_id, min(post.happened_at) AS happened_at
    FROM post
    WHERE
        post.tenant = $tenant
        AND post.happened_at < $end
        AND post.kind = 'response'
        AND post.delivery IS DISTINCT FROM 'failed'
    GROUP BY post.conversation_id
),

-- Conversations as far as they matter here, so that posts and actions meet one narrow row each. A digest stands for the
-- id, which may be long: millions of them have to be held, and told apart.
about AS (
    SELECT
        md5_number(conversation.conversation_id) AS conversation,
        conversation.created_at,
        CASE WHEN conversation.direction = 'inbound' THEN first_response.happened_at END AS first_response_at,
        conversation.handle_milliseconds,
        chosen($priorities, conversation.priority)
        AND chosen($queue_ids, number_or_id(queue.number, queue.queue_id))
        AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
            AS is_wanted
    FROM conversation
    LEFT JOIN first_response ON first_response.conversation_id = conversation.conversation_id
    LEFT JOIN queue ON queue.tenant = $tenant AND queue.queue_id = conversation.queue_id
    WHERE conversation.tenant = $tenant AND conversation.created_at < $end
),

deed AS MATERIALIZED ( -- one join after the other: their tables together are too large
    SELECT
        response.agent_id,
        md5_number(response.conversation_id) AS conversation,
        response.happened_at,
        CAST('RESPONSE' AS ENUM ('RESPONSE', 'CLAIMED', 'CLOSED', 'REOPENED', 'NOTE_ADDED', 'OTHER')) AS kind, -- a byte
        epoch_us(response.happened_at) - epoch_us(asked.happened_at) AS waited
    FROM post AS response
    LEFT JOIN post AS asked
        ON asked.tenant = $tenant
        AND asked.post_id = response.in_reply_to_post_id
        AND asked.kind = 'incoming'
        AND asked.happened_at <= response.happened_at
    WHERE
        response.tenant = $tenant
        AND response.happened_at >= $start
        AND response.happened_at < $end
        AND response.kind = 'response'
        AND response.delivery IS DISTINCT FROM 'failed'
        AND response.agent_id IS NOT NULL
    UNION ALL
    SELECT
        action.agent_id,
        md5_number(action.conversation_id),
        action.happened_at,
        CASE WHEN action.kind IN ('CLAIMED', 'CLOSED', 'REOPENED', 'NOTE_ADDED') THEN action.kind ELSE 'OTHER' END,
        NULL
    FROM conversation_action AS action
    WHERE
        action.tenant = $tenant
        AND action.agent_id IS NOT NULL
        AND action.happened_at >= $start
        AND action.happened_at < $end
),

doer AS MATERIALIZED (
    SELECT agent_id, CAST(row_number() OVER () AS INTEGER) AS number
    FROM (SELECT DISTINCT agent_id FROM deed)
),

counted AS MATERIALIZED (
    SELECT
        doer.number AS agent,
        piece.number AS bucket,
        deed.conversation,
        deed.kind,
        deed.waited,
        -- A conversation that another was merged into may have a history from before its creation.
        CASE
            WHEN deed.kind = 'RESPONSE' AND deed.happened_at = about.first_response_at
                THEN greatest(epoch_us(deed.happened_at) - epoch_us(about.created_at), 0)
        END AS waited_first,
        CASE
            WHEN deed.kind = 'CLOSED' AND about.created_at IS NOT NULL
                THEN greatest(epoch_us(deed.happened_at) - epoch_us(about.created_at), 0)
        END AS time_to_close,
        CASE WHEN deed.kind = 'CLOSED' THEN about.handle_milliseconds END AS handle_milliseconds
    FROM deed
    INNER JOIN piece
        ON piece.hour = epoch_us(deed.happened_at) // 3600000000
        AND piece.start_micros <= epoch_us(deed.happened_at)
        AND piece.end_micros > epoch_us(deed.happened_at)
    INNER JOIN doer ON doer.agent_id = deed.agent_id
    LEFT JOIN about ON about.conversation = deed.conversation
    WHERE
        fits_business_hours($business_hours, deed.happened_at)
        -- A conversation that the lake does not know has no priority, no queue and no view.
        AND coalesce(about.is_wanted, $priorities IS NULL AND $queue_ids IS NULL AND $smart_view_id IS NULL)
),

work AS (
    SELECT
        agent,
        bucket,
        count(*) FILTER (kind = 'RESPONSE') AS responses,
        count(*) FILTER (kind <> 'RESPONSE') AS actions,
        count(*) FILTER (kind = 'NOTE_ADDED') AS notes,
        sum(waited) // nullif(count(waited), 0) AS wait,
        sum(waited_first) // nullif(count(waited_first), 0) AS first_wait
    FROM counted
    GROUP BY agent, bucket
),

-- Conversations are counted by grouping twice: that spills to disk, while counting distinct ones does not.
touched AS (
    SELECT
        agent,
        bucket,
        conversation,
        bool_or(kind = 'RESPONSE') AS is_responded,
        bool_or(kind = 'CLAIMED') AS is_claimed,
        bool_or(kind = 'CLOSED') AS is_closed,
        bool_or(kind = 'REOPENED') AS is_reopened,
        max(time_to_close) AS time_to_close,
        max(handle_milliseconds) AS handle_milliseconds
    FROM counted
    WHERE kind IN ('RESPONSE', 'CLAIMED', 'CLOSED', 'REOPENED')
    GROUP BY agent, bucket, conversation
),

reach AS (
    SELECT
        agent,
        bucket,
        count(*) FILTER (is_responded) AS responded,
        count(*) FILTER (is_claimed) AS claimed,
        count(*) FILTER (is_closed) AS closed,
        count(*) FILTER (is_reopened) AS reopened,
        sum(time_to_close) // nullif(count(time_to_close), 0) AS time_to_close,
        sum(handle_milliseconds) // nullif(count(handle_milliseconds), 0) AS handle_milliseconds
    FROM touched
    GROUP BY agent, bucket
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
        list(number_or_id(team.number, membership.team_id)) AS team_ids
    FROM membership
    LEFT JOIN team ON team.tenant = $tenant AND team.team_id = membership.team_id
    GROUP BY membership.agent_id
),

-- All agents, those who did nothing as well, and those whom the lake does not know once they did something.
person AS (
    SELECT agent_id FROM agent WHERE tenant = $tenant
    UNION
    SELECT doer.agent_id FROM work INNER JOIN doer ON doer.number = work.agent
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
    coalesce(work.responses, 0) AS responses,
    coalesce(reach.responded, 0) AS conversations_responded,
    coalesce(reach.claimed, 0) AS conversations_claimed,
    coalesce(reach.closed, 0) AS conversations_closed,
    coalesce(reach.reopened, 0) AS conversations_reopened,
    coalesce(work.notes, 0) AS notes,
    coalesce(work.actions, 0) AS actions,
    CAST(work.first_wait // 1000000 AS BIGINT) AS average_time_to_first_response_seconds,
    CAST(work.wait // 1000000 AS BIGINT) AS average_time_to_respond_seconds,
    CAST(reach.handle_milliseconds // 1000 AS BIGINT) AS average_handle_seconds,
    CAST(reach.time_to_close // 1000000 AS BIGINT) AS average_time_to_close_seconds,
    -- In whole hundredths first, so that the rounding does not depend on how a fraction is stored.
    CASE
        WHEN present.logged_in > 0
            THEN CAST(
                (coalesce(work.responses, 0) * 360000000000 + present.logged_in // 2) // present.logged_in AS DOUBLE
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
LEFT JOIN doer ON doer.agent_id = person.agent_id
LEFT JOIN work ON work.agent = doer.number AND work.bucket = bucket.number
LEFT JOIN reach ON reach.agent = doer.number AND reach.bucket = bucket.number
LEFT JOIN present ON present.agent_id = person.agent_id AND present.starts_at = bucket.starts_at
WHERE
    -- Whether an agent whom the lake does not know is disabled is not known either.
    ($include_disabled OR coalesce(agent.is_active, true))
    AND chosen_any($team_ids, teams.team_ids)
