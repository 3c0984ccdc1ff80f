-- The e-mail address of the active agent with that id or e-mail address, in any case.
SELECT min(lower(trim(email))) AS email
FROM agent
WHERE is_active AND (agent_id = $name OR lower(trim(email)) = $email)
HAVING count(DISTINCT lower(trim(email))) = 1
