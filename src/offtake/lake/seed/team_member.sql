-- Members of teams. An agent is a member of its team, and sometimes of the next one or two. Some agents without a team
-- are members of one, so that the two sources of the lake differ.
SELECT DISTINCT
    getvariable('team_ids')[1 + (coalesce(team_now, 0) + step) % $teams] AS team_id,
    id_of('agent', number) AS agent_id
FROM person CROSS JOIN range(3) AS steps (step)
WHERE CASE
    WHEN step = 0 THEN team_now IS NOT NULL
    WHEN team_now IS NULL THEN step = 1 AND number % 2 = 0
    ELSE step <= CASE WHEN number % 6 = 5 THEN 2 WHEN number % 4 = 1 THEN 1 ELSE 0 END
END
