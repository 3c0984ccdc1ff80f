-- Responses that were submitted for review in the timespan, in their current state. The conversation may have been
-- created later, because it begins when its first message is sent.
WITH agent_details AS (
    SELECT agent_id, number, name, email, is_active FROM agent
),

own_team AS (
    SELECT agent_id, team_id FROM agent
),

team_membership AS (
    SELECT agent_id, team_id FROM team_member
),

named_team AS (
    SELECT team_id, number, name FROM team
),

-- The current members of the requested teams.
requested_team_member AS (
    SELECT agent_id
    FROM teams_of_agents('own_team', 'team_membership', 'named_team')
    WHERE chosen_any($team_ids, team_ids)
)

SELECT
    approval.response_id,
    approval.submitted_at,
    number_or_id(submitter.number, approval.agent_id) AS submitting_agent_id,
    submitter.name AS submitting_agent_name,
    submitter.email AS submitting_agent_email,
    number_or_id(reviewer.number, approval.reviewer_agent_id) AS reviewer_agent_id,
    reviewer.name AS reviewer_agent_name,
    reviewer.email AS reviewer_agent_email,
    approval.claimed_at,
    approval.reviewed_at,
    approval.status,
    approval.rejection_reason,
    CASE
        WHEN approval.status = 'APPROVED' THEN seconds_between(approval.submitted_at, approval.reviewed_at)
    END AS time_to_approve_seconds,
    approval.original_body,
    approval.final_body,
    approval.conversation_id,
    conversation.number AS conversation_number,
    conversation.network,
    queue.name AS queue_name
FROM response_approval AS approval
LEFT JOIN conversation
    ON conversation.conversation_id = approval.conversation_id
LEFT JOIN queue ON queue.queue_id = conversation.queue_id
LEFT JOIN agent_details AS submitter ON submitter.agent_id = approval.agent_id
LEFT JOIN agent_details AS reviewer ON reviewer.agent_id = approval.reviewer_agent_id
WHERE
    approval.submitted_at >= $start
    AND approval.submitted_at < $end
    AND fits_business_hours($business_hours, approval.submitted_at)
    -- These two filters apply to the agent who submitted, not to the reviewer; an unknown agent is not disabled.
    AND ($include_disabled OR coalesce(submitter.is_active, true))
    AND (CAST($team_ids AS VARCHAR[]) IS NULL OR approval.agent_id IN (SELECT agent_id FROM requested_team_member))
    -- The filters apply to the conversation; one that the lake does not have has no priority, queue or view.
    AND chosen($priorities, conversation.priority)
    AND chosen($queue_ids, number_or_id(queue.number, conversation.queue_id))
    AND ($smart_view_id IS NULL OR conversation.conversation_id IN (SELECT conversation_id FROM in_smart_view))
