-- Reviews of responses, one row per submission: a rejected response is submitted again. Steps after the last day are
-- left out, so some of the last reviews are pending.
WITH review_step AS (
    SELECT
        k, step, micros, what, agent, response,
        count(*) FILTER (WHERE what = 'RESPONSE_SUBMITTED') OVER (PARTITION BY k ORDER BY step) AS submission
    FROM conversation_event
    WHERE what IN ('RESPONSE_SUBMITTED', 'REVIEWER_CLAIMED', 'RESPONSE_ACCEPTED', 'RESPONSE_CANCELED')
),
review AS (
    SELECT
        k,
        min(step) AS step,
        min(micros) AS submitted,
        arg_min(agent, step) AS submitter,
        arg_min(response, step) AS response,
        max(agent) FILTER (what <> 'RESPONSE_SUBMITTED') AS reviewer,
        max(micros) FILTER (what = 'REVIEWER_CLAIMED') AS claimed,
        max(micros) FILTER (what IN ('RESPONSE_ACCEPTED', 'RESPONSE_CANCELED')) AS reviewed,
        bool_or(what = 'RESPONSE_ACCEPTED') AS is_accepted
    FROM review_step
    GROUP BY k, submission
),
review_text AS (
    SELECT
        *,
        roll('approval', k || '/' || step) AS dice,
        roll('post', k || '/' || response) AS sent_dice, -- roll of the post that is finally sent
        CASE
            WHEN reviewed IS NULL THEN 'PENDING'
            WHEN is_accepted THEN 'APPROVED'
            WHEN uniform(dice, 0, 3) = 0 THEN 'CANCELED'
            ELSE 'REJECTED'
        END AS status,
        CASE WHEN uniform(sent_dice, 3, 40) > 0 THEN word(getvariable('messages'), sent_dice, 2) END AS sent
    FROM review
)
SELECT
    id_of('approval', k || '/' || step) AS response_approval_id,
    id_of('post', k || '/' || response) AS response_id,
    id_of('conversation', k) AS conversation_id,
    at_micros(submitted) AS submitted_at,
    getvariable('agent_ids')[1 + submitter] AS agent_id,
    getvariable('agent_ids')[1 + reviewer] AS reviewer_agent_id,
    at_micros(claimed) AS claimed_at,
    at_micros(reviewed) AS reviewed_at,
    status,
    CASE WHEN status = 'REJECTED' AND uniform(dice, 1, 5) > 0 THEN ['Tone', 'Wrong order, ask again', 'Ссылка не работает', '敬語'][1 + uniform(dice, 2, 4)] END AS rejection_reason,
    CASE WHEN status = 'APPROVED' AND uniform(dice, 3, 3) > 0 THEN sent ELSE word(getvariable('messages'), dice, 1) END AS original_body,
    CASE status WHEN 'APPROVED' THEN sent WHEN 'REJECTED' THEN original_body END AS final_body,
    strftime(submitted_at, '%Y-%m') AS month
FROM review_text
