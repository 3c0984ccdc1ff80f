-- What agents did in the timespan. Figures about conversations obey the filters about conversations, the times in states
-- do not. A fact whose conversation the lake does not know counts as long as no such filter is on. Every table is held to
-- the tenant here as well, although the views only hold that tenant's files: two walls, so that a mistake in one of them
-- shows nothing.
WITH first_response AS (
    SELECT post.conversation_id, min(post.happened_at) AS happened_at
    FROM post
    WHERE
        post.tenant = $tenant
        AND post.happened_at < $end
        AND post.kind = 'response'
        AND post.delivery IS DISTINCT FROM 'failed'
    GROUP BY post.conversation_id
),

-- Conversations as far as they matter here, so that posts and actions meet one narrow row each.
about AS (
    SELECT
        conversation.conversation_id,
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
        response.conversation_id,
        response.happened_at,
        'RESPONSE' AS kind,
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
    UNION ALL
    SELECT
        action.agent_id,
        action.conversation_id,
        action.happened_at,
        CASE WHEN action.kind IN ('CLAIMED', 'CLOSED', 'REOPENED', 'NOTE_ADDED') THEN action.kind ELSE 'OTHER' END,
        NULL
    FROM conversation_action AS action
    WHERE action.tenant = $tenant AND action.happened_at >= $start AND action.happened_at < $end
),

counted AS MATERIALIZED (
    SELECT
        -- Digests stand for the ids, which may be long: millions of pairs of them have to be told apart below.
        md5_number(deed.agent_id) AS agent,
        CASE WHEN known.agent_id IS NULL THEN deed.agent_id END AS stranger_id,
        md5_number(deed.conversation_id) AS conversation,
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
    LEFT JOIN agent AS known ON known.tenant = $tenant AND known.agent_id = deed.agent_id
    LEFT JOIN about ON about.conversation_id = deed.conversation_id
    WHERE
        deed.agent_id IS NOT NULL
        AND fits_business_hours($business_hours, deed.happened_at)
        -- A conversation that the lake does not know has no priority, no queue and no view.
        AND coalesce(about.is_wanted, $priorities IS NULL AND $queue_ids IS NULL AND $smart_view_id IS NULL)
),

work AS (
    SELECT
        agent,
        any_value(stranger_id) AS stranger_id,
        count(*) FILTER (kind = 'RESPONSE') AS responses,
        count(*) FILTER (kind <> 'RESPONSE') AS actions,
        count(*) FILTER (kind = 'NOTE_ADDED') AS notes,
        sum(waited) // nullif(count(waited), 0) AS wait,
        sum(waited_first) // nullif(count(waited_first), 0) AS first_wait
    FROM counted
    GROUP BY agent
),

-- Conversations are counted by grouping twice: that spills to disk, while counting distinct ones does not.
touched AS (
    SELECT
        agent,
        conversation,
        bool_or(kind = 'RESPONSE') AS is_responded,
        bool_or(kind = 'CLAIMED') AS is_claimed,
        bool_or(kind = 'CLOSED') AS is_closed,
        bool_or(kind = 'REOPENED') AS is_reopened,
        max(time_to_close) AS time_to_close,
        max(handle_milliseconds) AS handle_milliseconds
    FROM counted
    WHERE kind IN ('RESPONSE', 'CLAIMED', 'CLOSED', 'REOPENED')
    GROUP BY agent, conversation
),

reach AS (
    SELECT
        agent,
        count(*) FILTER (is_responded) AS responded,
        count(*) FILTER (is_claimed) AS claimed,
        count(*) FILTER (is_closed) AS closed,
        count(*) FILTER (is_reopened) AS reopened,
        sum(time_to_close) // nullif(count(time_to_close), 0) AS time_to_close,
        sum(handle_milliseconds) // nullif(count(handle_milliseconds), 0) AS handle_milliseconds
    FROM touched
    GROUP BY agent
),

stay AS (
    SELECT
        agent_id,
        kind,
        is_mobile,
        -- That an open stay will last beyond the order is not known.
        epoch_us(least(coalesce(ended_at, greatest(started_at, $as_of)), $end)) - epoch_us(greatest(started_at, $start)) AS microseconds
    FROM agent_state
    WHERE tenant = $tenant AND started_at < $end AND coalesce(ended_at, $as_of) > $start
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
    SELECT stranger_id FROM work WHERE stranger_id IS NOT NULL
    UNION
    SELECT agent_id FROM present
)

SELECT
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
LEFT JOIN agent ON agent.tenant = $tenant AND agent.agent_id = person.agent_id
LEFT JOIN teams ON teams.agent_id = person.agent_id
LEFT JOIN work ON work.agent = md5_number(person.agent_id)
LEFT JOIN reach ON reach.agent = md5_number(person.agent_id)
LEFT JOIN present ON present.agent_id = person.agent_id
WHERE
    -- Whether an agent whom the lake does not know is disabled is not known either.
    ($include_disabled OR coalesce(agent.is_active, true))
    AND chosen_any($team_ids, teams.team_ids)
