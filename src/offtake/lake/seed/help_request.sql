-- Help requests. After claiming, responding or adding a note, agents sometimes ask a colleague, or no one in
-- particular. Requests after the last day are left out.
WITH rolled AS (
    SELECT
        k, step, micros, agent,
        roll('help', k || '/' || step) AS a,
        roll('help answer', k || '/' || step) AS b
    FROM conversation_event
    WHERE actor = 'AGENT' AND what IN ('CLAIMED', 'NOTE_ADDED', 'RESPONDED')
),
help_question AS (
    SELECT
        *,
        micros + 1000000 * (1 + uniform(a, 1, 240)) + CASE k % 4 WHEN 0 THEN 0 WHEN 1 THEN uniform(a, 2, 1000000) ELSE 1000 * uniform(a, 2, 1000) END AS asked_micros,
        -- most answers take minutes, some take days
        asked_micros + 1000000 * CASE WHEN uniform(b, 1, 10) = 0 THEN 40000 + 3 * uniform(b, 2, 65536) ELSE 20 + uniform(b, 2, 3600) END AS answer_micros,
        CASE
            WHEN uniform(b, 0, 10) < 7 AND answer_micros < getvariable('ends_at') THEN 'ANSWERED'
            WHEN uniform(b, 0, 10) = 7 THEN 'CANCELED'
            ELSE 'OPEN'
        END AS status
    FROM rolled
    WHERE uniform(a, 0, 7) = 0
)
SELECT
    id_of('help', k || '/' || step) AS help_request_id,
    id_of('conversation', k) AS conversation_id,
    at_micros(asked_micros) AS requested_at,
    getvariable('agent_ids')[1 + agent] AS agent_id,
    CASE WHEN uniform(a, 3, 9) > 0 THEN getvariable('agent_ids')[1 + (agent + 1 + uniform(b, 3, len(getvariable('agent_ids')) - 1)) % len(getvariable('agent_ids'))] END AS expert_agent_id,
    status,
    CASE WHEN status = 'ANSWERED' THEN at_micros(answer_micros) END AS answered_at,
    CASE WHEN uniform(b, 1, 30) <> 1 THEN word(getvariable('notes'), a, 2) END AS question,
    CASE WHEN status = 'ANSWERED' AND uniform(b, 1, 25) <> 2 THEN word(getvariable('messages'), a, 3) END AS answer,
    strftime(requested_at, '%Y-%m') AS month
FROM help_question
WHERE asked_micros < getvariable('ends_at')
