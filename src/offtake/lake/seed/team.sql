-- Teams.
SELECT
    id_of('team', number) AS team_id,
    CASE
        WHEN number < len(getvariable('team_names')) THEN getvariable('team_names')[1 + number]
        ELSE 'Team ' || number
    END AS name,
    101 + number AS number,
    CASE number % 3
        WHEN 0 THEN 'First to answer, "24/7"'
        WHEN 1 THEN word(getvariable('texts'), roll('team', number), 0)
    END AS description
FROM range($teams) AS numbered (number)
