-- Ring attempts: the phones that rang for a leg at the end of its wait. The agent who took or missed the call always
-- has one; sometimes a few more agents' phones ring at the same time.
WITH with_rolls AS (
    SELECT *, rolls('ring', n || '/' || leg) AS pq FROM rolled_leg WHERE leg = 2 OR NOT outgoing
),
ringing_contact AS (
    SELECT
        n, leg, call_id, contact_id, kind, leg_begins, waited, agent, target_queue_ids, is_forwarded,
        low(pq) AS p,
        high(pq) AS q,
        CASE WHEN leg = 2 THEN waited ELSE ringing END AS rings,
        CASE WHEN uniform(p, 0, 6) = 0 THEN 1 + uniform(p, 1, 2) ELSE 0 END AS others
    FROM with_rolls
    WHERE rings > 0 AND (agent IS NOT NULL OR is_forwarded OR kind IN ('short_abandoned', 'voicemail'))
),
attempt AS (
    SELECT *, unnest(range(1 + others)) AS attempt FROM ringing_contact
),
person AS (
    SELECT
        *,
        CASE
            WHEN attempt = 0 AND is_forwarded THEN agent  -- null: a forwarded call rings at no agent's phone
            ELSE (coalesce(agent, uniform(q, 0, len(getvariable('agent_ids')))) + 7 * attempt) % len(getvariable('agent_ids'))
        END AS rung_agent,
        CASE
            WHEN uniform(q, 1, 90) = 0 THEN NULL
            WHEN attempt > 0 THEN ['canceled', 'ignored', 'rejected', 'device_unavailable'][1 + (uniform(q, 2, 4) + attempt) % 4]
            WHEN kind IN ('inbound', 'outbound') THEN 'answered'
            WHEN kind = 'short_abandoned' THEN 'canceled'
            ELSE 'ignored'
        END AS outcome,
        leg_begins + 1000000 * (waited - rings) AS ring_begins,
        ring_begins + CASE outcome
            WHEN 'rejected' THEN 1000 * uniform(q, 3, 1000 * rings)
            WHEN 'device_unavailable' THEN 0
            ELSE 1000000 * rings
        END AS ring_ends
    FROM attempt
)
SELECT
    id_of('ring', n || '/' || leg || '/' || attempt) || right(contact_id, 8) AS ring_attempt_id,
    contact_id,
    call_id AS interaction_id,
    id_of('batch', n || '/' || leg) AS batch_id,
    outcome,
    CASE WHEN n % 211 <> 5 THEN at_micros(ring_begins) END AS started_at,
    at_micros(ring_ends) AS ended_at,
    getvariable('agent_ids')[1 + rung_agent] AS agent_id,
    getvariable('team_ids')[1 + team_at(rung_agent, ring_begins)] AS team_id,
    target_queue_ids AS queue_ids,
    strftime(at_micros(ring_ends), '%Y-%m') AS month
FROM person
