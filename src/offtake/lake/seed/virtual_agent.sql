-- Virtual agents.
SELECT id_of('virtual_agent', number) AS virtual_agent_id, getvariable('virtual_agent_names')[1 + number] AS name
FROM range(len(getvariable('virtual_agent_names'))) AS numbered (number)
