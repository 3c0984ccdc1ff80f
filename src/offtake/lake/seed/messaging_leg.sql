-- Messaging contacts, the source of all messaging tables. There is an interaction for every eighth call, in the same
-- hour. Two in seven have a second contact, after a transfer from a virtual agent or between agents. Contacts after
-- the last day are left out, so some are still open.
--
-- messaging_leg: one row per contact.
--   n, leg                number of the interaction's call, and index of the contact: 0 or 1
--   legs                  number of contacts of the interaction
--   begins, ends          start and end, in microseconds; the end may lie after the last day
--   is_virtual, person    handled by a virtual agent; number of the agent, null if no agent took it
--   messages, pace        number of messages, and microseconds between them
--   a, b, c               rolls of the contact; whole is the roll of the interaction
SET VARIABLE virtual_agent_names = ['Robo', 'Assistente "Lia"', 'ボット', '=Bot', 'Помощник, 2'];
SET VARIABLE channels = ['CHAT', 'SMS', 'EMAIL', 'WHATSAPP', 'FB_MESSENGER'];

CREATE VIEW messaging_leg AS
WITH interaction AS (
    SELECT n, micros, on_duty, roll('messaging', n) AS whole FROM numbered WHERE n % 8 = 0
),
leg AS (
    SELECT
        n, micros, on_duty, whole, leg,
        CASE WHEN uniform(whole, 0, 7) < 2 THEN 2 ELSE 1 END AS legs,
        roll('leg', n || '/' || leg) AS a, roll('leg people', n || '/' || leg) AS b, roll('leg words', n || '/' || leg) AS c
    FROM interaction CROSS JOIN range(2) AS numbered_leg (leg)
),
leg_duration AS (
    SELECT
        *,
        1 + uniform(a, 0, 6) AS messages,
        -- a third of the interactions have whole seconds only; one leg in twenty is slow
        1000000 * (5 + uniform(a, 1, CASE WHEN uniform(a, 2, 20) = 0 THEN 20000 ELSE 300 END)) + CASE n % 3 WHEN 0 THEN 0 ELSE uniform(a, 3, 1000000) END AS pace,
        messages * pace AS lasts
    FROM leg
    WHERE leg < legs
),
leg_time AS (
    SELECT
        *,
        micros + 1000000 * uniform(whole, 1, 3600)
            + CASE WHEN leg = 0 THEN 0 ELSE lag(lasts) OVER (PARTITION BY n ORDER BY leg) + 1000000 * uniform(a, 2, 60) END AS begins
    FROM leg_duration
)
SELECT
    n, leg, legs, whole, a, b, c, begins, messages, pace,
    -- some of the latest customers still wait
    CASE
        WHEN leg + 1 = legs AND n % 40 = 0 AND begins > getvariable('ends_at') - 3 * 86400000000 THEN getvariable('ends_at')
        ELSE begins + lasts
    END AS ends,
    leg = 0 AND uniform(whole, 2, 5) < 2 AS is_virtual,
    CASE
        WHEN leg = 0 AND uniform(whole, 2, 5) < 2 OR uniform(b, 0, 12) = 0 THEN NULL
        ELSE word(on_duty, b, 1) + 5 * uniform(b, 2, (len(getvariable('agent_ids')) - word(on_duty, b, 1) + 4) // 5)
    END AS person
FROM leg_time
WHERE begins < getvariable('ends_at');
