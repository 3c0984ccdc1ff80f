-- The audit log of the care platform (loaded history) and the audit log of this server about exports.
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
    event.audit_event_id AS entry_id,
    1 AS count
FROM audit_event AS event
LEFT JOIN agent ON agent.agent_id = event.agent_id
WHERE event.happened_at >= $start AND event.happened_at < $end

UNION ALL

SELECT
    audit_entry.principal,
    'offtake',
    CASE WHEN audit_entry.address IS NOT NULL THEN [audit_entry.address] END,
    replace(audit_entry.operation, '.', '_'),
    NULL,
    'jobs/' || audit_entry.job,
    CASE audit_entry.outcome WHEN 'allowed' THEN 'success' ELSE audit_entry.outcome END,
    NULL,
    audit_entry.happened_at,
    NULL,
    NULL,
    NULL,
    'offtake-' || audit_entry.number,
    audit_entry.count
FROM server_audit AS audit_entry
WHERE audit_entry.happened_at >= $start AND audit_entry.happened_at < $end
