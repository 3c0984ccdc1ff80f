-- Contacts by messages, for the tables that hang off them. There is an interaction for every eighth call, in the same
-- hour; two in seven have a second contact, because a virtual agent hands over to a person, or one person to another.
-- What would come after the last day has not happened: some contacts are still open.
--
-- messaging_leg: one row per contact.
--   n, leg                the call number of the interaction, and the place in it: 0 or 1
--   legs                  how many the interaction has
--   begins, ends          micros of its start and end; it may end after the last day, or never
--   is_virtual, person    handled by a virtual agent; number of the agent otherwise, null where nobody took it
--   messages, pace        how many messages it has, and the micros between them
--   a, b, c               rolls of its own; whole is one of the interaction
SET VARIABLE virtual_agent_names = ['Robo', 'Assistente "Lia"', 'ボット', '=Bot', 'Помощник, 2'];
SET VARIABLE channels = ['CHAT', 'SMS', 'EMAIL', 'WHATSAPP', 'FB_MESSENGER'];

CREATE VIEW messaging_leg AS
WITH interaction AS (
    SELECT n, micros, on_duty, roll('messaging', n) AS whole FROM numbered WHERE n % 8 = 0
),
leg AS (
    SELECT
        n, micros, on_duty, whole, leg,
        CASE WHEN among(whole, 0, 7) < 2 THEN 2 ELSE 1 END AS legs,
        roll('leg', n || '/' || leg) AS a, roll('leg people', n || '/' || leg) AS b, roll('leg words', n || '/' || leg) AS c
    FROM interaction CROSS JOIN range(2) AS numbered_leg (leg)
),
lasting AS (
    SELECT
        *,
        1 + among(a, 0, 6) AS messages,
        -- seconds and microseconds: some sources write whole seconds; an answer in a hurry, or after hours
        1000000 * (5 + among(a, 1, CASE WHEN among(a, 2, 20) = 0 THEN 20000 ELSE 300 END)) + CASE n % 3 WHEN 0 THEN 0 ELSE among(a, 3, 1000000) END AS pace,
        messages * pace AS lasts
    FROM leg
    WHERE leg < legs
),
timed AS (
    SELECT
        *,
        micros + 1000000 * among(whole, 1, 3600)
            + CASE WHEN leg = 0 THEN 0 ELSE lag(lasts) OVER (PARTITION BY n ORDER BY leg) + 1000000 * among(a, 2, 60) END AS begins
    FROM lasting
)
SELECT
    n, leg, legs, whole, a, b, c, begins, messages, pace,
    -- some of the latest customers have been left waiting
    CASE
        WHEN leg + 1 = legs AND n % 40 = 0 AND begins > getvariable('ends_at') - 3 * 86400000000 THEN getvariable('ends_at')
        ELSE begins + lasts
    END AS ends,
    leg = 0 AND among(whole, 2, 5) < 2 AS is_virtual,
    CASE
        WHEN leg = 0 AND among(whole, 2, 5) < 2 OR among(b, 0, 12) = 0 THEN NULL
        ELSE word(on_duty, b, 1) + 5 * among(b, 2, (len(getvariable('agent_ids')) - word(on_duty, b, 1) + 4) // 5)
    END AS person
FROM timed
WHERE begins < getvariable('ends_at');
