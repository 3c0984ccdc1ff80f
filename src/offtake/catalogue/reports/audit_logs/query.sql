-- What the care platform recorded (loaded history), and what this server itself recorded about exports.
SELECT
    event.actor_id,
    event.generator AS generator_name,
    nullif(event.addresses, []) AS addresses,
    event.operation,
    event.trace_id,
    event.resource,
    event.outcome,
    event.user_agent,
    event.happened_at,
    event.agent_id,
    agent.name AS agent_name,
    agent.email AS agent_email,
    event.audit_event_id AS entry_id
FROM audit_event AS event
LEFT JOIN agent ON agent.agent_id = event.agent_id
WHERE event.happened_at >= $start AND event.happened_at < $end

UNION ALL

SELECT
    own.principal,
    'offtake',
    CASE WHEN own.address IS NOT NULL THEN [own.address] END,
    replace(own.operation, '.', '_'),
    NULL,
    'jobs/' || own.job,
    CASE own.outcome WHEN 'allowed' THEN 'success' ELSE own.outcome END,
    NULL,
    own.happened_at,
    NULL,
    NULL,
    NULL,
    'offtake-' || own.number
FROM server_audit AS own
WHERE own.happened_at >= $start AND own.happened_at < $end
