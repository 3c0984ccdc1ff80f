-- What agents did in the timespan. Figures about conversations obey the filters about conversations, the times in states
-- do not. A fact whose conversation the lake does not know counts as long as no such filter is on. Every table is held to
-- the tenant here as well, although the views only hold that tenant's files: two walls, so that a mistake in one of them
-- shows nothing.
WITH first_response AS (
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
    GROUP BY response.agent_id, response.conversation_id
),

answering AS (
    SELECT
        agent_id,
        CAST(sum(responses) AS BIGINT) AS responses,
        count(*) AS conversations,
        sum(waited) // nullif(sum(waits), 0) AS wait,
        sum(waited_first) // nullif(sum(first_waits), 0) AS first_wait
    FROM answered
    GROUP BY agent_id
),

touched AS (
    SELECT
        action.agent_id,
        action.conversation_id,
        count(*) AS actions,
        count(*) FILTER (action.kind = 'NOTE_ADDED') AS notes,
        bool_or(action.kind = 'CLAIMED') AS is_claimed,
        bool_or(action.kind = 'REOPENED') AS is_reopened,
        max(action.happened_at) FILTER (action.kind = 'CLOSED') AS closed_at,
        any_value(conversation.created_at) AS created_at,
        any_value(conversation.handle_milliseconds) AS handle_milliseconds
    FROM conversation_action AS action
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
    GROUP BY action.agent_id, action.conversation_id
),

acting AS (
    SELECT
        agent_id,
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
    GROUP BY agent_id
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
    SELECT agent_id FROM present
)

SELECT
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
LEFT JOIN agent ON agent.tenant = $tenant AND agent.agent_id = person.agent_id
LEFT JOIN teams ON teams.agent_id = person.agent_id
LEFT JOIN answering ON answering.agent_id = person.agent_id
LEFT JOIN acting ON acting.agent_id = person.agent_id
LEFT JOIN present ON present.agent_id = person.agent_id
WHERE
    -- Whether an agent whom the lake does not know is disabled is not known either.
    ($include_disabled OR coalesce(agent.is_active, true))
    AND chosen_any($team_ids, teams.team_ids)
