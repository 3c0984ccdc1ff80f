-- Messages received or sent in the timespan, with attributes of their contacts.
SELECT
    message.contact_id,
    contact.channel,
    contact.person_id,
    contact.person_name,
    contact.interaction_id,
    message.created_at,
    CASE message.direction WHEN 'inbound' THEN 'Inbound' ELSE 'Outbound' END AS direction,
    message.message_id,
    -- A source may name the agent who received a message, but the column is for the agent who wrote it.
    CASE message.direction WHEN 'outbound' THEN message.agent_id END AS agent_id,
    agent.name AS agent_name
FROM messaging_traffic AS message
LEFT JOIN messaging_contact AS contact ON contact.contact_id = message.contact_id
LEFT JOIN agent ON agent.agent_id = message.agent_id AND message.direction = 'outbound'
WHERE message.created_at >= $start AND message.created_at < $end
