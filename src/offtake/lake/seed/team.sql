SELECT
    id_of('team', number) AS team_id,
    CASE
        WHEN number < len(getvariable('team_names')) THEN getvariable('team_names')[1 + number]
        ELSE 'Team ' || number
    END AS name
FROM range($teams) AS numbered (number)
