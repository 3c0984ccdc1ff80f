-- Deterministic randomness: every roll is a pure function of the seed, its purpose and the number of the row. MD5 is
-- fully specified, so rows do not depend on the machine, the number of threads or the version of DuckDB.
CREATE MACRO rolls(purpose, number) AS md5_number(getvariable('seed') || '/' || purpose || '/' || number);
CREATE MACRO low(rolls) AS CAST(rolls & 18446744073709551615 AS UBIGINT);
CREATE MACRO high(rolls) AS CAST(rolls >> 64 AS UBIGINT);
CREATE MACRO roll(purpose, number) AS md5_number_lower(getvariable('seed') || '/' || purpose || '/' || number);
-- A roll has four independent 16-bit faces, 0 to 3. uniform() maps one face to an integer from 0 to sides - 1.
CREATE MACRO uniform(roll, face, sides) AS CAST(((roll >> (16 * face)) & 65535) % sides AS BIGINT);
CREATE MACRO word(list, roll, face) AS list[1 + uniform(roll, face, len(list))];
CREATE MACRO id_of(purpose, number) AS md5(getvariable('seed') || '/id/' || purpose || '/' || number);
CREATE MACRO at_micros(micros) AS make_timestamptz(micros);

CREATE TABLE person AS
SELECT
    number,
    CAST(number % 5 AS INTEGER) AS zone,
    CASE WHEN number % 11 <> 5 THEN uniform(roll('person', number), 0, $teams) END AS team_now,
    CASE WHEN number % 11 <> 5 AND number % 7 = 3 THEN (team_now + 1) % $teams ELSE team_now END AS team_before,
    uniform(roll('person', number), 1, $queues) AS queue,
FROM range($agents) AS numbered (number)
ORDER BY number;
SET VARIABLE agent_ids = (SELECT list(id_of('agent', number) ORDER BY number) FROM person);
SET VARIABLE teams_now = (SELECT list(team_now ORDER BY number) FROM person);
SET VARIABLE teams_before = (SELECT list(team_before ORDER BY number) FROM person);
SET VARIABLE team_ids = (SELECT list(id_of('team', number) ORDER BY number) FROM range($teams) AS numbered (number));
SET VARIABLE queue_ids = (SELECT list(id_of('queue', number) ORDER BY number) FROM range($queues) AS numbered (number));
SET VARIABLE campaign_ids = (SELECT list(id_of('campaign', number) ORDER BY number) FROM range(len(getvariable('campaign_names'))) AS numbered (number));
-- Some agents change their team once, at a midnight in the middle of the plan's days.
CREATE MACRO team_at(person, micros) AS CASE
    WHEN micros < getvariable('moved_at') THEN getvariable('teams_before')[1 + person] ELSE getvariable('teams_now')[1 + person]
END;
