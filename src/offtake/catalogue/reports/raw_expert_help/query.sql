-- Requests for help that were raised in the timespan, in their current state.
WITH agent_details AS (
    SELECT agent_id, number, name, email FROM agent
)

SELECT
    request.help_request_id,
    request.requested_at,
    number_or_id(requester.number, request.agent_id) AS requesting_agent_id,
    requester.name AS requesting_agent_name,
    requester.email AS requesting_agent_email,
    number_or_id(expert.number, request.expert_agent_id) AS expert_agent_id,
    expert.name AS expert_agent_name,
    expert.email AS expert_agent_email,
    request.status,
    request.answered_at,
    seconds_between(request.requested_at, request.answered_at) AS time_to_answer_seconds,
    request.question,
    request.answer,
    request.conversation_id,
    conversation.number AS conversation_number,
    conversation.priority,
    queue.name AS queue_name
FROM help_request AS request
LEFT JOIN conversation
    ON conversation.conversation_id = request.conversation_id
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
LEFT JOIN agent_details AS requester ON requester.agent_id = request.agent_id
LEFT JOIN agent_details AS expert ON expert.agent_id = request.expert_agent_id
WHERE
    request.requested_at >= $start
    AND request.requested_at < $end
    AND fits_business_hours($business_hours, request.requested_at)
    -- The filters apply to the conversation; one that the lake does not have has no priority, queue or view.
    AND chosen($priorities, conversation.priority)
    AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
    AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
