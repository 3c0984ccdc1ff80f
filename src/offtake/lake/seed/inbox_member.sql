-- The personal inbox of each agent is that agent's alone; the shared ones list nobody, so they are open to all.
SELECT id_of('inbox', $teams + number) AS inbox_id, id_of('agent', number) AS agent_id
FROM range($agents) AS counted (number)
