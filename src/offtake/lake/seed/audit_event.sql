-- Audit events of the care platform: one for every tenth call, within the hour of that call.
WITH rolled AS (
    SELECT n, micros, roll('audit', n) AS dice, roll('audit words', n) AS words
    FROM numbered
    WHERE n % 10 = 0
)
SELECT
    id_of('audit_event', n) AS audit_event_id,
    at_micros(micros + 1000000 * uniform(dice, 0, 3600) + 1000 * uniform(dice, 1, 1000)) AS happened_at,
    ['read_ring_groups', 'update_agent', 'login', 'export_recording', 'delete_note', 'read_flow'][1 + uniform(words, 0, 6)]
        AS operation,
    CASE WHEN uniform(words, 1, 20) = 0 THEN 'failure' ELSE 'success' END AS outcome,
    CASE WHEN uniform(dice, 2, 4) > 0 THEN getvariable('agent_ids')[1 + uniform(dice, 3, $agents)] END AS agent_id,
    CASE WHEN uniform(dice, 2, 9) > 0 THEN coalesce(agent_id, id_of('system', uniform(dice, 2, 3))) END AS actor_id,
    CASE WHEN uniform(words, 2, 8) > 0 THEN ['console', 'api', 'scheduler, nightly'][1 + uniform(words, 2, 3)] END AS generator,
    CASE
        WHEN uniform(words, 3, 10) = 0 THEN NULL
        WHEN uniform(words, 3, 10) = 1 THEN []
        WHEN uniform(words, 3, 10) = 2 THEN ['192.0.2.' || uniform(dice, 3, 250), '2001:db8::' || uniform(dice, 3, 250)]
        ELSE ['192.0.2.' || uniform(dice, 3, 250)]
    END AS addresses,
    CASE WHEN uniform(words, 1, 3) > 0 THEN id_of('trace', n) END AS trace_id,
    CASE WHEN uniform(words, 2, 5) > 0 THEN '/' || replace(operation, '_', '/') || '/' || uniform(dice, 0, 1000) END AS resource,
    CASE WHEN uniform(dice, 1, 4) > 0 THEN ['Mozilla/5.0 (X11; Linux x86_64)', 'client "7", beta', 'скрипт/1'][1 + uniform(dice, 1, 3)] END
        AS user_agent,
    strftime(happened_at, '%Y-%m') AS month
FROM rolled
