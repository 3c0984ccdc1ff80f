-- Agents. Their numbers have gaps; an account created by hand has neither a number nor an SSO id.
WITH with_rolls AS (
    SELECT *, number AS n, roll('agent more', number) AS dice FROM person
)
SELECT
    id_of('agent', n) AS agent_id,
    CASE
        WHEN n < len(getvariable('odd_names')) THEN getvariable('odd_names')[1 + n]
        ELSE word(getvariable('given'), roll('agent', n), 0) || ' ' || word(getvariable('family'), roll('agent', n), 1)
    END AS name,
    'agent.' || n || '@care.example' AS email,
    n % 13 <> 6 AS is_active,
    getvariable('team_ids')[1 + team_now] AS team_id,
    CASE WHEN n % 37 <> 36 THEN 20001 + 3 * n END AS number,
    CASE WHEN n % 37 <> 36 AND n % 5 <> 4 THEN 'sso|' || lpad(CAST(n AS VARCHAR), 6, '0') END AS sso_id,
    CASE WHEN n >= len(getvariable('odd_names')) THEN word(getvariable('given'), roll('agent', n), 0) END AS given_name,
    -- An odd name is not split into given name and family name.
    CASE
        WHEN n < len(getvariable('odd_names')) THEN getvariable('odd_names')[1 + n]
        ELSE word(getvariable('family'), roll('agent', n), 1)
    END AS family_name,
    CASE
        WHEN uniform(dice, 0, 20) > 0
            THEN ['Agent', 'Agent', 'Agent', 'Agent', 'Supervisor', 'Administrator', 'Expert, "Level 2"', 'アナリスト'][1 + uniform(dice, 1, 8)]
    END AS role,
    [NULL, 'en', 'en', 'es', 'fr', 'de', 'tr'][1 + uniform(dice, 2, 7)] AS language,
    CASE WHEN uniform(dice, 0, 9) <> 4 THEN ['Europe/Lisbon', 'America/New_York', 'Asia/Tokyo', 'Asia/Kolkata', 'UTC'][1 + zone] END AS time_zone,
    -- Every agent was created before the first fact, which is up to 400 days old.
    at_micros(getvariable('moved_at') - 86400000000 * (450 + uniform(dice, 3, 1200)) + 1000 * uniform(dice, 1, 60000)) AS created_at,
    CASE
        WHEN n % 13 = 6 THEN at_micros(getvariable('ends_at') - 86400000000 * (30 + uniform(dice, 2, 60)))
        WHEN n % 17 <> 9 THEN at_micros(getvariable('ends_at') - 1000000 * (60 + uniform(dice, 3, 50000)))
    END AS last_login_at
FROM with_rolls
