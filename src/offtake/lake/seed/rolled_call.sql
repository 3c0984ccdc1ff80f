-- What the dice say of call number n: how it goes, how long its parts last and who is in it. The tables that hang off
-- calls (contacts, ring attempts) read it as well, so that ids and instants meet. A view: a chunk of numbers is rolled
-- when it is read, and nothing is kept.
CREATE VIEW rolled_call AS
WITH thrown AS (
    SELECT
        n, micros, on_duty, in_business_hours,
        rolls('call', n) AS ab, rolls('people', n) AS cd, rolls('words', n) AS ef, rolls('custom', n) AS gh
    FROM numbered
),
rolled AS (
    SELECT
        * EXCLUDE (ab, cd, ef, gh),
        low(ab) AS a, high(ab) AS b, low(cd) AS c, high(cd) AS d, low(ef) AS e, high(ef) AS f, low(gh) AS g, high(gh) AS h
    FROM thrown
),
kinds AS (
    SELECT
        *,
        among(a, 0, 1000) AS chance,
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
        -- the exact micros of the beginning: some sources write whole seconds, some milliseconds, some more
        micros + 1000000 * (among(b, 0, 3600)) + CASE n % 4 WHEN 0 THEN 0 WHEN 1 THEN among(b, 1, 1000000) ELSE 1000 * among(b, 1, 1000) END AS begins
    FROM rolled
),
durations AS (
    SELECT
        *,
        CASE
            WHEN kind = 'short_abandoned' THEN 1 + among(b, 2, 5)
            WHEN among(b, 2, 25) = 0 THEN 300 + among(b, 3, 1500)
            ELSE 6 + among(b, 2, 80)
        END AS wait,
        CASE WHEN kind = 'abandoned' THEN 0 ELSE least(wait, 1 + among(c, 3, 30)) END AS ringing,
        CASE WHEN answered THEN 15 + among(b, 3, 900) ELSE 0 END AS talk,
        CASE WHEN answered AND among(d, 0, 10) < 3 THEN 5 + among(d, 1, 180) ELSE 0 END AS hold,
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
            WHEN kind = 'missed' AND among(d, 2, 3) = 0 THEN NULL
            WHEN kind = 'inbound' AND among(d, 2, 40) = 0 THEN NULL  -- forwarded to a number that is nobody's
            ELSE zone + 5 * among(c, 1, (len(getvariable('agent_ids')) - zone + 4) // 5)
        END AS person,
        answered AND person IS NOT NULL AND among(d, 3, 100) < 9 AS transferred,
        transferred AND among(c, 2, 4) = 0 AS outside
    FROM durations
)
SELECT
    *,
    id_of('call', n) AS call_id,
    at_micros(begins) AS started_at,
    at_micros(ends) AS ended_at,
    '+1202555' || lpad(CAST(100 + among(h, 0, 12) AS VARCHAR), 4, '0') AS company_number,
    nullif(getvariable('labels')[1 + among(h, 0, 12)], 'Lojas') AS company_number_label,
    '+999' || lpad(CAST(among(h, 1, 65536) * 10000 + among(h, 2, 10000) AS VARCHAR), 9, '0') AS customer_number,
    team_at(person, begins) AS team,
    CASE WHEN transferred AND NOT outside THEN (person + 1 + among(c, 2, len(getvariable('agent_ids')) - 1)) % len(getvariable('agent_ids')) END AS handler,
    CASE
        WHEN outgoing THEN CASE WHEN n % 2 = 0 THEN [] END
        ELSE list_transform(
            range(CASE WHEN among(h, 3, 10) < 7 THEN 1 ELSE 2 + among(h, 3, 2) END),
            lambda step: getvariable('queue_ids')[1 + (among(a, 1, len(getvariable('queue_ids'))) + 3 * step) % len(getvariable('queue_ids'))]
        )
    END AS queue_ids,
    CASE WHEN NOT outgoing AND among(d, 1, 8) > 0 THEN among(d, 1, 20) = 1 END AS is_queue_callback,
    kind = 'inbound' AND (person IS NULL OR among(f, 0, 30) = 1) AS is_forwarded,
    CASE WHEN answered AND person IS NOT NULL THEN among(f, 2, 2) = 0 END AS agent_disconnected,
    among(f, 3, 200) = 0 AS is_damaged
FROM people
