SELECT
    id_of('agent', number) AS agent_id,
    CASE
        WHEN number < len(getvariable('odd_names')) THEN getvariable('odd_names')[1 + number]
        ELSE word(getvariable('given'), roll('agent', number), 0) || ' ' || word(getvariable('family'), roll('agent', number), 1)
    END AS name,
    'agent.' || number || '@care.example' AS email,
    number % 13 <> 6 AS is_active,
    getvariable('team_ids')[1 + team_now] AS team_id
FROM person
