-- The legs of the calls: one each, and a second one where the call was handed over to another agent. The legs of a call
-- follow each other without a gap and are together as long as the call.
WITH leg AS (
    SELECT
        *,
        unnest(CASE WHEN handler IS NULL THEN [1] ELSE [1, 2] END) AS leg,
        -- The second agent's phone rings while the customer still talks to the first, so it counts as talking on the call.
        CASE WHEN handler IS NULL THEN 0 ELSE 1 + talk % 5 END AS second_wait,
        CASE WHEN handler IS NULL THEN talk ELSE (talk - second_wait) // 2 END AS first_talk
    FROM rolled_call
),
thrown AS (
    SELECT *, rolls('contact', n || '/' || leg) AS xy FROM leg
),
timed AS (
    SELECT
        *,
        low(xy) AS x,
        high(xy) AS y,
        CASE WHEN leg = 1 THEN wait ELSE second_wait END AS waited,
        CASE WHEN NOT answered THEN NULL WHEN leg = 1 THEN first_talk ELSE talk - second_wait - first_talk END AS talked,
        CASE WHEN NOT answered THEN NULL WHEN leg = 1 THEN hold ELSE 0 END AS held,
        begins + 1000000 * CASE WHEN leg = 1 THEN 0 ELSE wait + first_talk + hold END AS leg_begins,
        leg_begins + 1000000 * (waited + coalesce(talked, 0) + coalesce(held, 0)) AS leg_ends,
        CASE WHEN leg = 1 THEN person ELSE handler END AS agent,
        CASE WHEN transferred THEN CASE WHEN n % 3 = 0 THEN 'blind' ELSE 'warm' END END AS handed
    FROM thrown
),
routed AS (
    SELECT
        *,
        CASE WHEN handed = 'warm' THEN held // 3 ELSE 0 * held END AS soft_held,
        -- Half of the calls that are handed over go to one agent in person, a few calls to one of several from the start.
        CASE
            WHEN leg = 2 AND among(y, 0, 2) = 0 THEN [agent]
            WHEN leg = 1 AND NOT outgoing AND agent IS NOT NULL AND among(y, 0, 40) = 0
                THEN [agent, (agent + 1) % len(getvariable('agent_ids'))]
            WHEN leg = 1 AND outgoing AND among(y, 0, 40) = 0 THEN []
        END AS direct,
        CASE
            WHEN len(direct) > 0 THEN NULL
            WHEN leg = 1 THEN queue_ids
            ELSE [getvariable('queue_ids')[1 + among(y, 1, len(getvariable('queue_ids')))]]
        END AS meant
    FROM timed
)
SELECT
    id_of('contact', n || '/' || leg) AS contact_id,
    call_id AS interaction_id,
    CASE kind WHEN 'inbound' THEN 'answered' WHEN 'outbound' THEN 'connected' WHEN 'outbound_missed' THEN 'not_connected' ELSE kind END AS kind,
    CASE WHEN outgoing THEN 'outbound' ELSE 'inbound' END AS direction,
    company_number,
    company_number_label,
    customer_number,
    CASE WHEN leg = 1 AND (outside OR is_forwarded) THEN '+1202555' || lpad(CAST(200 + among(x, 1, 50) AS VARCHAR), 4, '0') END AS forward_number,
    at_micros(leg_begins) AS started_at,
    at_micros(leg_ends) AS ended_at,
    CASE WHEN answered AND NOT outgoing THEN at_micros(leg_begins + 1000000 * waited) END AS answered_at,
    CASE WHEN answered AND outgoing THEN at_micros(leg_begins + 1000000 * waited) END AS connected_at,
    CASE WHEN NOT outgoing THEN waited END AS wait_seconds,
    CASE WHEN kind = 'missed' THEN waited END AS missed_seconds,
    CASE WHEN kind = 'abandoned' THEN waited END AS abandon_seconds,
    CASE WHEN kind = 'short_abandoned' THEN waited END AS short_abandon_seconds,
    CASE WHEN kind = 'voicemail' THEN waited END AS voicemail_seconds,
    CASE WHEN leg = 2 THEN waited WHEN NOT outgoing THEN ringing END AS ringing_seconds,
    CASE WHEN answered AND outgoing THEN waited END AS connect_seconds,
    talked AS talk_seconds,
    held - soft_held AS hard_hold_seconds,
    soft_held AS soft_hold_seconds,
    held AS hold_seconds,
    CASE WHEN answered AND agent IS NOT NULL AND among(x, 2, 7) > 0 THEN among(x, 3, 180) END AS after_call_seconds,
    talked + held + coalesce(after_call_seconds, 0) AS handle_seconds,
    in_business_hours AS is_in_business_hours,
    answered AND NOT outgoing AND waited <= 20 AS is_in_service_level,
    NOT outgoing AND waited <= 20 AS is_within_threshold,
    transferred AND leg = 1 AS is_transferred_out,
    CASE WHEN leg = 1 THEN handed END AS transfer_out_kind,
    leg = 2 AS is_transferred_in,
    CASE WHEN leg = 2 THEN handed END AS transfer_in_kind,
    coalesce(is_queue_callback, false) AS is_callback,
    meant AS queue_ids,
    CASE WHEN answered AND len(meant) > 0 THEN [meant[1 + among(y, 2, len(meant))]] END AS handling_queue_ids,
    getvariable('agent_ids')[1 + agent] AS agent_id,
    getvariable('team_ids')[1 + team_at(agent, leg_begins)] AS team_id,
    list_transform(direct, lambda number: getvariable('agent_ids')[1 + number]) AS direct_agent_ids,
    CASE WHEN handler IS NULL OR leg = 2 THEN agent_disconnected END AS agent_disconnected,
    CASE WHEN n % 50 <> 49 THEN handler IS NULL OR leg = 2 END AS is_last,
    is_damaged,
    strftime(ended_at, '%Y-%m') AS month
FROM routed
