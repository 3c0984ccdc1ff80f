-- Messages. The side that began the contact writes first; then the sides alternate. If no agent took the contact, the
-- side that began it writes all messages.
WITH message AS (
    SELECT
        *,
        begins + step * pace AS micros,
        CASE WHEN person IS NULL AND NOT is_virtual THEN 0 ELSE step % 2 END AS turn,
        uniform(whole, 0, 70) >= 60 AS is_outgoing
    FROM messaging_leg CROSS JOIN range(6) AS numbered_step (step)
    WHERE step < messages AND begins + step * pace < getvariable('ends_at')
)
SELECT
    id_of('message', n || '/' || leg || '/' || step) AS message_id,
    id_of('messaging', n || '/' || leg) AS contact_id,
    at_micros(micros) AS created_at,
    CASE WHEN (turn = 1) <> is_outgoing THEN 'outbound' ELSE 'inbound' END AS direction,
    CASE WHEN (turn = 1) <> is_outgoing THEN getvariable('agent_ids')[1 + person] END AS agent_id,
    strftime(created_at, '%Y-%m') AS month
FROM message
