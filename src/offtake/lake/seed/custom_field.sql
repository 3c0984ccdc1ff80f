-- Custom fields of two in three completed messaging interactions, for the last contact or for the whole interaction.
WITH interaction AS (
    SELECT n, any_value(whole) AS whole, min(begins) AS begins, max(ends) AS ends, max(leg) AS last_leg, rolls('fields', n) AS gh
    FROM messaging_leg
    WHERE n % 3 <> 1
    GROUP BY n
    HAVING count(*) = any_value(legs) AND max(ends) < getvariable('ends_at')
),
rolled AS (
    SELECT *, low(gh) AS g, high(gh) AS h FROM interaction
)
SELECT
    id_of('messaging', n) AS interaction_id,
    CASE WHEN uniform(h, 0, 2) = 0 THEN id_of('messaging', n || '/' || last_leg) END AS contact_id,
    word(getvariable('channels'), whole, 3) AS channel,
    at_micros(begins) AS started_at,
    at_micros(ends) AS ended_at,
    CASE WHEN uniform(g, 0, 3) = 0 THEN uniform(g, 1, 2000) - 1000 END AS integer_custom_1,
    CASE WHEN uniform(g, 0, 20) = 1 THEN 9007199254740993 + n END AS integer_custom_2,
    CASE WHEN uniform(g, 1, 3) = 0 THEN (uniform(g, 2, 60000) - 30000) / 100.0::DOUBLE END AS decimal_custom_1,
    CASE WHEN uniform(g, 1, 20) = 1 THEN uniform(g, 2, 1000) / 1024.0::DOUBLE END AS decimal_custom_2,
    CASE WHEN uniform(g, 2, 2) = 0 THEN word(getvariable('texts'), g, 3) END AS text_custom_1,
    CASE WHEN uniform(g, 3, 4) = 0 THEN word(getvariable('texts'), g, 0) END AS text_custom_2,
    CASE WHEN uniform(g, 3, 20) = 1 THEN word(getvariable('notes'), g, 1) END AS text_custom_3,
    CASE WHEN uniform(g, 3, 30) = 2 THEN 'ref-' || n END AS text_custom_4,
    CASE WHEN uniform(h, 1, 6) = 2 THEN at_micros(begins + 86400000000 * uniform(h, 2, 30)) END AS instant_custom_1,
    -- Some are edited after the end of the interaction.
    CASE WHEN uniform(h, 3, 10) > 0 THEN at_micros(ends + CASE WHEN uniform(h, 3, 10) < 3 THEN 1000000 * uniform(h, 2, 7200) ELSE 0 END) END AS updated_at,
    strftime(at_micros(ends), '%Y-%m') AS month
FROM rolled
