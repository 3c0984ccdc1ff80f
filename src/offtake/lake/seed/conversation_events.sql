-- Conversations and their events, the source of all conversation tables. There is a conversation for every fifth call,
-- in the same hour. It follows a script whose steps have random gaps. Steps after the last day are left out, so some
-- conversations are still in progress.
--
-- conversation_plan: one row per conversation.
--   k                     0, 1, 2 ...; id_of('conversation', k) is its id
--   began                 time of its first post, in microseconds
--   direction, script     inbound or outbound; number of its script
--   network, instance     network and instance
--   author                number of the author; id_of('author', author)
--   customer              number of the customer, null if unknown; id_of('customer', customer)
--   inbox, is_shared      number of the inbox, null if there is none; id_of('inbox', inbox); the first ones are shared
--   agent_a, agent_b      numbers of the script's two agents; getvariable('agent_ids')[1 + agent_a]
--   queue_first, queue_later, priority_first, priority_later   before and after the step that changes them; may be null
--   tags                  numbers of the tags attached to it; id_of('tag', number)
--   snooze_micros         duration of a snooze, in microseconds
--   a, b, c, d            rolls of the conversation
--
-- conversation_event: one row per event of a conversation.
--   k, step               the conversation and the event's index; id_of('post', k || '/' || step), id_of('action', ...)
--   micros                time of the event, in microseconds
--   actor                 customer, AGENT, SYSTEM, RULE or BOT
--   what                  incoming, or the kind of the action
--   agent, team           numbers of the acting agent and of that agent's team at the time; null without an agent
--   target, target_team   numbers of the agent and the team that an ASSIGNED or CLAIMED step assigns it to
--   is_post               the event is a post: incoming, RESPONDED (a response) or NOTE_ADDED (a comment)
--   answers               step of the incoming post that a response answers; null if it answers none
--   response              step of the response under review; it may lie in the future
--   is_failed             a response that could not be sent
--   dice                  roll of the event
-- A step is actor:action[:target]: c is the customer, a and b are agents, s the system, r a rule, o a bot; the target t
-- is the team of a.
CREATE TABLE script AS
SELECT
    *,
    direction = 'inbound' AND list_contains(steps, 's:SNOOZE_EXPIRED') AND len(steps) = 5 AS snoozes_long,
    len(list_filter(steps, lambda step: step[1:2] = 'b:' OR step[-2:] IN (':b', ':t') OR contains(step, 'QUEUE'))) = 0 AS is_solo,
    sum(weight) OVER (ORDER BY script) AS up_to
FROM (
    VALUES
    (0, 'inbound', 110, ['c:incoming']),
    (1, 'inbound', 200, ['c:incoming', 'a:CLAIMED', 'a:RESPONDED', 'a:CLOSED']),
    (2, 'inbound', 90, ['c:incoming', 's:ASSIGNED:a', 'a:RESPONDED', 'c:incoming', 'a:RESPONDED', 'a:DISPOSITION_CHANGED', 'a:CLOSED']),
    (3, 'inbound', 70, ['c:incoming', 'r:TAGS_ATTACHED', 'a:CLAIMED', 'a:NOTE_ADDED', 'a:RESPONDED', 'a:SNOOZE_SET', 's:SNOOZE_EXPIRED', 'a:RESPONDED', 'a:CLOSED']),
    (4, 'inbound', 90, ['c:incoming', 'a:CLAIMED', 'a:RESPONDED', 'a:CLOSED', 'c:incoming', 's:REOPENED', 'a:ASSIGNED:b', 'b:RESPONDED', 'b:CLOSED']),
    (5, 'inbound', 40, ['c:incoming', 'r:WORK_QUEUE_CHANGED', 'a:CLAIMED', 'a:NOTE_ADDED', 'a:ASSIGNED:b', 'b:RESPONDED', 'b:CLOSED', 'c:incoming', 's:REOPENED', 'b:RESPONDED', 'b:CLOSED', 'c:incoming', 's:REOPENED']),
    (6, 'inbound', 80, ['c:incoming', 'c:incoming', 'r:TAGS_ATTACHED', 'a:CLAIMED', 'a:RESPONDED']),
    (7, 'inbound', 60, ['c:incoming', 'a:CLAIMED', 'a:RESPONDED', 'a:SNOOZE_SET', 's:SNOOZE_EXPIRED']),
    (8, 'inbound', 30, ['c:incoming', 'a:CLAIMED', 'a:NEEDS_ATTENTION', 'a:PRIORITY_CHANGED', 'a:UNCLAIMED']),
    (9, 'inbound', 40, ['c:incoming', 'o:RESPONDED', 'c:incoming', 'r:ASSIGNED:a', 'a:RESPONSE_SUBMITTED', 'b:REVIEWER_CLAIMED', 'b:RESPONSE_ACCEPTED', 'a:RESPONDED', 'a:CLOSED']),
    (10, 'inbound', 20, ['c:incoming', 'a:CLAIMED', 'a:RESPONSE_SUBMITTED', 'b:REVIEWER_CLAIMED', 'b:RESPONSE_CANCELED', 'a:NOTE_ADDED', 'a:RESPONSE_SUBMITTED', 'b:RESPONSE_ACCEPTED', 'a:RESPONDED', 'a:CLOSED']),
    (11, 'inbound', 30, ['c:incoming', 'r:TAGS_ATTACHED', 'r:CLOSED']),
    (12, 'inbound', 20, ['c:incoming', 'a:CLAIMED', 'a:TAGS_ATTACHED', 'a:RESPONDED', 's:RESPONSE_FAILED', 'a:RESPONDED', 'a:TAGS_DETACHED', 'a:CLOSED', 'a:REOPENED', 'a:TAGS_ATTACHED', 'a:CLOSED']),
    (13, 'inbound', 20, ['c:incoming', 'r:ASSIGNED:t', 'b:CLAIMED', 'b:SNOOZE_SET', 'b:SNOOZE_UNSET', 'b:RESPONDED', 'b:UNASSIGNED', 'r:CLOSED']),
    (14, 'outbound', 50, ['a:RESPONDED', 'a:CLAIMED', 'c:incoming', 'a:RESPONDED', 'a:CLOSED', 'c:incoming', 's:REOPENED', 'a:CLOSED']),
    (15, 'outbound', 25, ['a:RESPONDED', 'a:CLAIMED']),
    (16, 'outbound', 15, ['o:RESPONDED', 'c:incoming', 'a:CLAIMED', 'a:NOTE_ADDED', 'a:RESPONDED', 'a:CLOSED']),
    (17, 'inbound', 5, ['c:incoming', 'a:CLAIMED', 'a:RESPONSE_SUBMITTED']),
    (18, 'inbound', 5, ['c:incoming', 'a:CLAIMED', 'a:RESPONSE_SUBMITTED', 'b:REVIEWER_CLAIMED'])
) AS written (script, direction, weight, steps);

CREATE TABLE script_step AS
WITH step_text AS (
    SELECT script, unnest(steps) AS text, generate_subscripts(steps, 1) - 1 AS step FROM script
),
parsed_step AS (
    SELECT script, step, text[1:1] AS who, split_part(text, ':', 2) AS what, split_part(text, ':', 3) AS given_to FROM step_text
)
SELECT
    *,
    CASE WHEN what = 'RESPONDED' THEN max(CASE WHEN what = 'incoming' THEN step END) OVER earlier END AS answers,
    CASE
        WHEN what LIKE 'RESPONSE\_%' ESCAPE '\' AND what <> 'RESPONSE_FAILED' OR what LIKE 'REVIEWER%'
            -- a response without approval would be the next post
            THEN coalesce(min(CASE WHEN what = 'RESPONDED' THEN step END) OVER later, 1 + max(step) OVER (PARTITION BY script))
        WHEN what = 'RESPONSE_FAILED' THEN step - 1
    END AS response,
    coalesce(what = 'RESPONDED' AND lead(what) OVER (PARTITION BY script ORDER BY step) = 'RESPONSE_FAILED', false) AS is_failed
FROM parsed_step
WINDOW
    earlier AS (PARTITION BY script ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING),
    later AS (PARTITION BY script ORDER BY step ROWS BETWEEN 1 FOLLOWING AND UNBOUNDED FOLLOWING);

CREATE TABLE conversation_plan AS
WITH with_rolls AS (
    SELECT
        n // 5 AS k, micros, on_duty, rolls('conversation', n // 5) AS ab, rolls('conversation people', n // 5) AS cd
    FROM numbered
    WHERE n % 5 = 0
),
rolled AS (
    SELECT * EXCLUDE (ab, cd), low(ab) AS a, high(ab) AS b, low(cd) AS c, high(cd) AS d FROM with_rolls
),
conversation_script AS (
    SELECT rolled.*, script.script, script.direction, script.snoozes_long, script.is_solo, network_of(author) AS network, instance_of(author) AS instance
    FROM (
        -- the first conversations use each script once
        SELECT
            *,
            CAST(roll('conversation author', k) % getvariable('authors') AS BIGINT) AS author,
            CASE WHEN k <= 18 THEN k END AS early,
            uniform(a, 0, 1000) AS chance
        FROM rolled
    ) AS rolled
    JOIN script ON script.script = rolled.early OR rolled.early IS NULL AND chance >= up_to - weight AND chance < up_to
),
conversation_people AS (
    SELECT
        *,
        word(on_duty, c, 0) AS zone,
        zone + 5 * uniform(c, 1, (len(getvariable('agent_ids')) - zone + 4) // 5) AS agent_a,
        is_solo AND network = 'email' AND uniform(d, 0, 3) = 0 AS is_personal,
        NOT is_personal AND uniform(d, 0, 8) < 6 AS is_shared
    FROM conversation_script
)
SELECT
    k,
    micros + 1000000 * uniform(b, 0, 3600) + CASE k % 4 WHEN 0 THEN 0 WHEN 1 THEN uniform(b, 1, 1000000) ELSE 1000 * uniform(b, 1, 1000) END AS began,
    direction, script, network, instance, author,
    CASE WHEN is_personal OR is_shared OR network = 'chat' THEN author // 2 END AS customer,
    CASE WHEN is_shared THEN uniform(d, 1, len(getvariable('team_ids'))) WHEN is_personal THEN len(getvariable('team_ids')) + agent_a END AS inbox,
    is_shared,
    agent_a,
    (agent_a + 1 + uniform(c, 2, len(getvariable('agent_ids')) - 1)) % len(getvariable('agent_ids')) AS agent_b,
    CASE WHEN NOT is_personal AND uniform(c, 3, 10) > 1 THEN uniform(a, 1, len(getvariable('queue_ids'))) END AS queue_first,
    (uniform(a, 1, len(getvariable('queue_ids'))) + 1) % len(getvariable('queue_ids')) AS queue_later,
    CASE WHEN uniform(d, 2, 12) > 0 THEN uniform(d, 3, 6) END AS priority_first,
    CASE WHEN uniform(d, 2, 12) > 0 THEN (uniform(d, 3, 6) + 2) % 6 ELSE 5 END AS priority_later,
    list_transform(range(1 + uniform(b, 3, 2)), lambda position: (uniform(a, 2, len(getvariable('tag_names'))) + 5 * position) % len(getvariable('tag_names'))) AS tags,
    1000000 * CASE WHEN snoozes_long THEN 86400 * (1 + uniform(b, 2, 30)) ELSE 3600 * (1 + uniform(b, 2, 72)) END AS snooze_micros,
    a, b, c, d
FROM conversation_people
ORDER BY k;

CREATE TABLE conversation_event AS
WITH with_rolls AS (
    SELECT
        conversation_plan.k, conversation_plan.began, conversation_plan.agent_a, conversation_plan.agent_b, conversation_plan.snooze_micros, script_step.* EXCLUDE (script),
        roll('life', conversation_plan.k || '/' || script_step.step) AS dice
    FROM conversation_plan JOIN script_step ON script_step.script = conversation_plan.script
),
event_gap AS (
    SELECT
        *,
        CASE
            WHEN step = 0 OR what = 'REOPENED' AND who = 's' THEN 0  -- the customer's post reopens it at that instant
            WHEN what = 'SNOOZE_EXPIRED' THEN snooze_micros
            ELSE 1000000 * CASE
                WHEN what = 'incoming' AND uniform(dice, 0, 4) = 0 THEN 40000 + 2 * uniform(dice, 1, 65536)
                WHEN what = 'incoming' THEN 30 + uniform(dice, 1, 7200)
                WHEN what IN ('CLAIMED', 'ASSIGNED') THEN 5 + uniform(dice, 1, 1800)
                WHEN what = 'RESPONDED' AND uniform(dice, 0, 12) = 0 THEN 70000 + uniform(dice, 1, 20000)
                WHEN what = 'RESPONDED' THEN 20 + uniform(dice, 1, 2400)
                WHEN what = 'CLOSED' THEN 2 + uniform(dice, 1, 900)
                ELSE 1 + uniform(dice, 1, 300)
            END + CASE k % 4 WHEN 0 THEN 0 WHEN 1 THEN uniform(dice, 2, 1000000) ELSE 1000 * uniform(dice, 2, 1000) END
        END AS gap
    FROM with_rolls
),
event_time AS (
    SELECT *, CAST(began + sum(gap) OVER (PARTITION BY k ORDER BY step ROWS UNBOUNDED PRECEDING) AS BIGINT) AS micros
    FROM event_gap
),
event_actor AS (
    SELECT
        *,
        CASE who WHEN 'a' THEN agent_a WHEN 'b' THEN agent_b END AS agent,
        CASE WHEN what = 'CLAIMED' THEN agent WHEN given_to = 'a' THEN agent_a WHEN given_to = 'b' THEN agent_b END AS target
    FROM event_time
    WHERE micros < getvariable('ends_at')
)
SELECT
    k, step, micros,
    CASE who WHEN 'c' THEN 'customer' WHEN 's' THEN 'SYSTEM' WHEN 'r' THEN 'RULE' WHEN 'o' THEN 'BOT' ELSE 'AGENT' END AS actor,
    what, agent, team_at(agent, micros) AS team, target,
    CASE WHEN given_to = 't' THEN coalesce(team_at(agent_a, micros), 0) ELSE team_at(target, micros) END AS target_team,
    what IN ('incoming', 'RESPONDED', 'NOTE_ADDED') AS is_post,
    answers, response, is_failed, dice
FROM event_actor
ORDER BY k, step;
