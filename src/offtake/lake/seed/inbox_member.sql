-- Members of inboxes. A personal inbox has one member, its agent; a shared inbox lists no members, so it is open to
-- all.
SELECT id_of('inbox', $teams + number) AS inbox_id, id_of('agent', number) AS agent_id
FROM range($agents) AS counted (number)
