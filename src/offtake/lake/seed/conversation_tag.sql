-- Tags of conversations. A TAGS_ATTACHED step attaches all tags of the conversation; the next TAGS_DETACHED step
-- detaches the first of them.
WITH attached AS (
    SELECT
        life.k, life.micros, thread.tags,
        min(later.micros) AS off
    FROM life
    JOIN thread ON thread.k = life.k
    LEFT JOIN life AS later ON later.k = life.k AND later.what = 'TAGS_DETACHED' AND later.step > life.step
    WHERE life.what = 'TAGS_ATTACHED'
    GROUP BY life.k, life.step, life.micros, thread.tags
),
one_each AS (
    SELECT k, micros, off, unnest(tags) AS tag, generate_subscripts(tags, 1) AS position FROM attached
),
-- If the second of two tags is still attached, attaching both again adds only the first.
new AS (
    SELECT * FROM one_each QUALIFY position = 1 OR row_number() OVER (PARTITION BY k, tag ORDER BY micros) = 1
)
SELECT
    id_of('conversation', k) AS conversation_id,
    id_of('tag', tag) AS tag_id,
    at_micros(micros) AS attached_at,
    CASE WHEN position = 1 THEN at_micros(off) END AS detached_at,
    strftime(attached_at, '%Y-%m') AS month
FROM new
