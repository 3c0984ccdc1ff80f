-- The source of all call tables: kind, durations and participants of call n. Contacts and ring attempts read it too, so
-- that ids and times agree. It is a view: a range of calls is computed when it is read, and nothing is stored.
CREATE VIEW rolled_call AS
WITH with_rolls AS (
    SELECT
        n, micros, on_duty, in_business_hours,
        rolls('call', n) AS ab, rolls('people', n) AS cd, rolls('words', n) AS ef, rolls('custom', n) AS gh
    FROM numbered
),
rolled AS (
    SELECT
        * EXCLUDE (ab, cd, ef, gh),
        low(ab) AS a, high(ab) AS b, low(cd) AS c, high(cd) AS d, low(ef) AS e, high(ef) AS f, low(gh) AS g, high(gh) AS h
    FROM with_rolls
),
kinds AS (
    SELECT
        *,
        uniform(a, 0, 1000) AS chance,
        CASE
            WHEN n < 7 THEN ['inbound', 'outbound', 'missed', 'outbound_missed', 'abandoned', 'short_abandoned', 'voicemail'][1 + n]
            WHEN chance < 520 THEN 'inbound'
            WHEN chance < 770 THEN 'outbound'
            WHEN chance < 840 THEN 'missed'
            WHEN chance < 890 THEN 'outbound_missed'
            WHEN chance < 945 THEN 'abandoned'
            WHEN chance < 970 THEN 'short_abandoned'
            ELSE 'voicemail'
        END AS kind,
        kind IN ('inbound', 'outbound') AS answered,
        kind IN ('outbound', 'outbound_missed') AS outgoing,
        kind IN ('abandoned', 'short_abandoned') AS given_up,
        -- start time; a quarter of the calls has whole seconds, a quarter microseconds, the others milliseconds
        micros + 1000000 * (uniform(b, 0, 3600)) + CASE n % 4 WHEN 0 THEN 0 WHEN 1 THEN uniform(b, 1, 1000000) ELSE 1000 * uniform(b, 1, 1000) END AS begins
    FROM rolled
),
durations AS (
    SELECT
        *,
        CASE
            WHEN kind = 'short_abandoned' THEN 1 + uniform(b, 2, 5)
            WHEN uniform(b, 2, 25) = 0 THEN 300 + uniform(b, 3, 1500)
            ELSE 6 + uniform(b, 2, 80)
        END AS wait,
        CASE WHEN kind = 'abandoned' THEN 0 ELSE least(wait, 1 + uniform(c, 3, 30)) END AS ringing,
        CASE WHEN answered THEN 15 + uniform(b, 3, 900) ELSE 0 END AS talk,
        CASE WHEN answered AND uniform(d, 0, 10) < 3 THEN 5 + uniform(d, 1, 180) ELSE 0 END AS hold,
        wait + talk + hold AS total,
        begins + 1000000 * total AS ends
    FROM kinds
),
people AS (
    SELECT
        *,
        word(on_duty, c, 0) AS zone,
        CASE
            WHEN given_up OR kind = 'voicemail' THEN NULL
            WHEN kind = 'missed' AND uniform(d, 2, 3) = 0 THEN NULL
            WHEN kind = 'inbound' AND uniform(d, 2, 40) = 0 THEN NULL  -- forwarded to a number without an agent
            ELSE zone + 5 * uniform(c, 1, (len(getvariable('agent_ids')) - zone + 4) // 5)
        END AS person,
        answered AND person IS NOT NULL AND uniform(d, 3, 100) < 9 AS transferred,
        transferred AND uniform(c, 2, 4) = 0 AS outside
    FROM durations
)
SELECT
    *,
    id_of('call', n) AS call_id,
    at_micros(begins) AS started_at,
    at_micros(ends) AS ended_at,
    '+1202555' || lpad(CAST(100 + uniform(h, 0, 12) AS VARCHAR), 4, '0') AS company_number,
    nullif(getvariable('labels')[1 + uniform(h, 0, 12)], 'Lojas') AS company_number_label,
    '+999' || lpad(CAST(uniform(h, 1, 65536) * 10000 + uniform(h, 2, 10000) AS VARCHAR), 9, '0') AS customer_number,
    team_at(person, begins) AS team,
    CASE WHEN transferred AND NOT outside THEN (person + 1 + uniform(c, 2, len(getvariable('agent_ids')) - 1)) % len(getvariable('agent_ids')) END AS handler,
    CASE
        WHEN outgoing THEN CASE WHEN n % 2 = 0 THEN [] END
        ELSE list_transform(
            range(CASE WHEN uniform(h, 3, 10) < 7 THEN 1 ELSE 2 + uniform(h, 3, 2) END),
            lambda step: getvariable('queue_ids')[1 + (uniform(a, 1, len(getvariable('queue_ids'))) + 3 * step) % len(getvariable('queue_ids'))]
        )
    END AS queue_ids,
    CASE WHEN NOT outgoing AND uniform(d, 1, 8) > 0 THEN uniform(d, 1, 20) = 1 END AS is_queue_callback,
    kind = 'inbound' AND (person IS NULL OR uniform(f, 0, 30) = 1) AS is_forwarded,
    CASE WHEN answered AND person IS NOT NULL THEN uniform(f, 2, 2) = 0 END AS agent_disconnected,
    uniform(f, 3, 200) = 0 AS is_damaged
FROM people;

-- The legs of calls: one, and a second if the call was transferred to another agent. The legs of a call follow each
-- other without gaps and together last as long as the call.
CREATE VIEW rolled_leg AS
WITH leg AS (
    SELECT
        *,
        unnest(CASE WHEN handler IS NULL THEN [1] ELSE [1, 2] END) AS leg,
        -- The second agent's phone rings while the customer talks to the first agent, so the call counts it as talk
        -- time.
        CASE WHEN handler IS NULL THEN 0 ELSE 1 + talk % 5 END AS second_wait,
        CASE WHEN handler IS NULL THEN talk ELSE (talk - second_wait) // 2 END AS first_talk
    FROM rolled_call
),
with_rolls AS (
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
        CASE WHEN transferred THEN CASE WHEN n % 3 = 0 THEN 'blind' ELSE 'warm' END END AS transfer_kind
    FROM with_rolls
)
SELECT
    *,
    id_of('contact', n || '/' || leg) AS contact_id,
    CASE WHEN transfer_kind = 'warm' THEN held // 3 ELSE 0 * held END AS soft_held,
    -- Half of the transfers go to one agent directly; a few calls go to one of several agents from the start.
    CASE
        WHEN leg = 2 AND uniform(y, 0, 2) = 0 THEN [agent]
        WHEN leg = 1 AND NOT outgoing AND agent IS NOT NULL AND uniform(y, 0, 40) = 0
            THEN [agent, (agent + 1) % len(getvariable('agent_ids'))]
        WHEN leg = 1 AND outgoing AND uniform(y, 0, 40) = 0 THEN []
    END AS direct,
    CASE
        WHEN len(direct) > 0 THEN NULL
        WHEN leg = 1 THEN queue_ids
        ELSE [getvariable('queue_ids')[1 + uniform(y, 1, len(getvariable('queue_ids')))]]
    END AS target_queue_ids
FROM timed;
