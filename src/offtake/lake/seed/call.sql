-- Calls number $first to $last - 1. They are numbered in order of their hour, so a chunk of numbers is a piece of time.
WITH thrown AS (
    SELECT
        n, micros, on_duty, in_business_hours,
        rolls('call', n) AS ab, rolls('people', n) AS cd, rolls('words', n) AS ef, rolls('custom', n) AS gh
    FROM numbered
    WHERE n >= $first AND n < $last
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
            ELSE zone + 5 * among(c, 1, ($agents - zone + 4) // 5)
        END AS person,
        answered AND person IS NOT NULL AND among(d, 3, 100) < 9 AS transferred,
        transferred AND among(c, 2, 4) = 0 AS outside
    FROM durations
),
teams AS (
    SELECT *, team_at(person, begins) AS team FROM people
)
SELECT
    id_of('call', n) AS call_id,
    'CA' || reverse(call_id) AS carrier_call_id,
    kind,
    at_micros(begins) AS started_at,
    at_micros(ends) AS ended_at,
    '+1202555' || lpad(CAST(100 + among(h, 0, 12) AS VARCHAR), 4, '0') AS company_number,
    nullif(getvariable('labels')[1 + among(h, 0, 12)], 'Lojas') AS company_number_label,
    '+999' || lpad(CAST(among(h, 1, 65536) * 10000 + among(h, 2, 10000) AS VARCHAR), 9, '0') AS customer_number,
    getvariable('agent_ids')[1 + person] AS agent_id,
    getvariable('team_ids')[1 + team] AS team_id,
    CASE
        WHEN outgoing THEN CASE WHEN n % 2 = 0 THEN [] END
        ELSE list_transform(
            range(CASE WHEN among(h, 3, 10) < 7 THEN 1 ELSE 2 + among(h, 3, 2) END),
            lambda step: getvariable('queue_ids')[1 + (among(a, 1, $queues) + 3 * step) % $queues]
        )
    END AS queue_ids,
    total AS total_seconds,
    talk AS talk_seconds,
    wait AS wait_seconds,
    hold AS hold_seconds,
    CASE WHEN given_up THEN total ELSE 0 END AS abandon_seconds,
    ringing AS ringing_seconds,
    CASE WHEN answered AND among(e, 0, 10) < 6 THEN word(getvariable('dispositions'), e, 1) END AS disposition_code,
    CASE WHEN disposition_code IS NOT NULL AND among(e, 2, 3) > 0 THEN word(getvariable('disposition_sets'), e, 2) END AS disposition_set,
    CASE WHEN disposition_set IS NOT NULL AND among(e, 3, 4) = 0 THEN word(getvariable('nested'), e, 3) END AS nested_disposition,
    CASE WHEN person IS NOT NULL AND among(a, 2, 10) < 4 THEN word(getvariable('notes'), a, 3) END AS notes,
    CASE WHEN answered AND among(a, 2, 10) < 5 THEN among(a, 1, 6) END AS voice_rating,
    CASE WHEN voice_rating IS NOT NULL AND voice_rating < 4 THEN word(getvariable('reasons'), a, 2) END AS rating_reason,
    CASE
        WHEN outgoing THEN NULL
        WHEN among(d, 0, 5) = 0 THEN ''
        ELSE ['1', '2', '9', '1,2', '2,1', '1,2,1', '3,0,9', '7,7,7,1'][1 + among(d, 1, 8)]
    END AS ivr_options,
    in_business_hours AS is_in_business_hours,
    CASE WHEN NOT outgoing AND among(d, 1, 8) > 0 THEN among(d, 1, 20) = 1 END AS is_queue_callback,
    transferred AS is_transfer,
    CASE WHEN transferred AND NOT outside THEN getvariable('agent_ids')[1 + (person + 1 + among(c, 2, $agents - 1)) % $agents] END AS handling_agent_id,
    CASE WHEN answered AND n % 10 <> 0 OR kind = 'voicemail' THEN 'https://recordings.example/calls/' || call_id END AS recording_url,
    outside AS is_external_transfer,
    answered AND NOT outgoing AND among(f, 0, 25) = 0 AS is_no_answer_rule,
    kind = 'inbound' AND (person IS NULL OR among(f, 0, 30) = 1) AS is_forwarded,
    CASE WHEN answered AND among(f, 1, 8) = 0 THEN 1 + among(f, 2, 5) END AS csat_score,
    CASE WHEN csat_score IS NOT NULL THEN at_micros(ends + 1000000 * (30 + among(f, 3, 7200))) END AS csat_answered_at,
    CASE WHEN answered AND person IS NOT NULL THEN among(f, 2, 2) = 0 END AS agent_disconnected,
    among(f, 3, 200) = 0 AS is_damaged,
    CASE WHEN among(g, 0, 4) = 0 THEN among(g, 1, 2000) - 1000 END AS integer_custom_1,
    CASE WHEN among(g, 0, 50) = 1 THEN 9007199254740993 + n END AS integer_custom_2,
    CASE WHEN among(g, 1, 4) = 0 THEN (among(g, 2, 60000) - 30000) / 100.0::DOUBLE END AS decimal_custom_1,
    CASE WHEN among(g, 1, 40) = 1 THEN among(g, 2, 1000) / 1024.0::DOUBLE END AS decimal_custom_2,
    CASE WHEN among(g, 2, 3) = 0 THEN word(getvariable('texts'), g, 3) END AS text_custom_1,
    CASE WHEN among(g, 3, 5) = 0 THEN word(getvariable('texts'), g, 0) END AS text_custom_2,
    CASE WHEN among(g, 3, 50) = 1 THEN word(getvariable('notes'), g, 1) END AS text_custom_3,
    CASE WHEN among(g, 3, 100) = 2 THEN 'ref-' || n END AS text_custom_4,
    CASE WHEN among(g, 0, 10) = 2 THEN at_micros(begins - 86400000000 * among(g, 1, 30)) END AS instant_custom_1,
    CASE WHEN answered AND among(h, 3, 9) = 0 THEN word(getvariable('moods'), h, 2) END AS mood,
    CASE WHEN mood IS NOT NULL THEN among(h, 1, 2) = 0 END AS is_mood_prompted,
    strftime(ended_at, '%Y-%m') AS month
FROM teams
