SELECT count(*)
FROM agent
WHERE ($include_disabled OR is_active) AND chosen($agent_ids, number_or_id(number, agent_id))
