-- Tags of conversations. A TAGS_ATTACHED step attaches all tags of the conversation; the next TAGS_DETACHED step
-- detaches the first of them.
WITH attached_tags AS (
    SELECT
        conversation_event.k, conversation_event.micros, conversation_plan.tags,
        min(later.micros) AS detached_micros
    FROM conversation_event
    JOIN conversation_plan ON conversation_plan.k = conversation_event.k
    LEFT JOIN conversation_event AS later ON later.k = conversation_event.k AND later.what = 'TAGS_DETACHED' AND later.step > conversation_event.step
    WHERE conversation_event.what = 'TAGS_ATTACHED'
    GROUP BY conversation_event.k, conversation_event.step, conversation_event.micros, conversation_plan.tags
),
tag_period AS (
    SELECT k, micros, detached_micros, unnest(tags) AS tag, generate_subscripts(tags, 1) AS position FROM attached_tags
),
-- If the second of two tags is still attached, attaching both again adds only the first.
attached_tag AS (
    SELECT * FROM tag_period QUALIFY position = 1 OR row_number() OVER (PARTITION BY k, tag ORDER BY micros) = 1
)
SELECT
    id_of('conversation', k) AS conversation_id,
    id_of('tag', tag) AS tag_id,
    at_micros(micros) AS attached_at,
    CASE WHEN position = 1 THEN at_micros(detached_micros) END AS detached_at,
    strftime(attached_at, '%Y-%m') AS month
FROM attached_tag
