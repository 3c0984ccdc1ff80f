-- Questions of evaluations that were submitted in the timespan. An edit submits the whole evaluation again as its next
-- version and may drop questions, so all rows of earlier versions are ignored. An edit after the timespan does not
-- count: another export of the timespan returns the same rows, and an export of the next timespan returns the edit.
WITH agent_details AS (
    SELECT agent_id, name, email FROM agent
),

-- Few evaluations are edited, so the last version is looked up only among those, which keeps this table small. Of an
-- evaluation that is not in it, the timespan has only version 0.
latest_edit AS (
    SELECT evaluation_id, max(version) AS version
    FROM evaluation
    WHERE evaluated_at >= $start AND evaluated_at < $end AND version > 0
    GROUP BY evaluation_id
),

queue_list AS (
    SELECT DISTINCT queue_ids AS ids
    FROM evaluation
    WHERE evaluated_at >= $start AND evaluated_at < $end
),

named_queue AS (
    SELECT queue_id AS id, name FROM queue
)

SELECT
    -- The lake has both the name and the e-mail address of an agent, or neither.
    coalesce(agent.name || ' (' || agent.email || ') ', '') || '[' || evaluation.agent_id || ']' AS agent_in_full,
    evaluation.agent_id,
    coalesce(agent.name, evaluation.agent_id) AS agent_name, -- never null for the vendor's clients
    agent.email AS agent_email,
    evaluation.evaluation_id,
    evaluation.evaluated_at,
    evaluation.version,
    evaluation.max_score,
    evaluation.obtained_score,
    CASE
        -- The vendor's fixed text. If a person edits the evaluation, the text remains; evaluator_name has the person.
        WHEN evaluation.is_automatic OR evaluation.evaluator_agent_id IS NULL THEN 'AI Scored Evaluation'
        ELSE evaluation.evaluator_agent_id
    END AS evaluator_id,
    evaluator.name AS evaluator_name,
    evaluation.form_id,
    evaluation.form_name,
    evaluation.section_id,
    evaluation.section_name,
    evaluation.section_max_score,
    evaluation.section_obtained_score,
    evaluation.question_id,
    evaluation.question_text,
    evaluation.question_type,
    evaluation.answer,
    evaluation.question_max_score,
    evaluation.question_obtained_score,
    evaluation.interaction_id,
    named_queue_list.names AS queue_names,
    team.name AS team_name,
    evaluation.branch_to,
    evaluation.first_evaluated_at,
    evaluation.header_id,
    evaluation.header_text,
    evaluation.interaction_reference,
    evaluation.is_mandatory,
    evaluation.interaction_channel,
    evaluation.interaction_started_at,
    -- Words of the vendor's newer reports; those of this report are not public.
    CASE evaluation.interaction_direction
        WHEN 'inbound' THEN 'Inbound'
        WHEN 'outbound' THEN 'Outbound'
    END AS interaction_direction,
    evaluation.interaction_source,
    evaluation.interaction_type,
    CASE WHEN evaluation.question_type = 'TextQuestion' THEN evaluation.answer END AS free_text_answer
FROM evaluation
LEFT JOIN latest_edit ON latest_edit.evaluation_id = evaluation.evaluation_id
LEFT JOIN agent_details AS agent ON agent.agent_id = evaluation.agent_id
LEFT JOIN agent_details AS evaluator ON evaluator.agent_id = evaluation.evaluator_agent_id
LEFT JOIN team ON team.team_id = evaluation.team_id
LEFT JOIN named_lists('queue_list', 'named_queue') AS named_queue_list ON named_queue_list.ids = evaluation.queue_ids
WHERE
    evaluation.evaluated_at >= $start
    AND evaluation.evaluated_at < $end
    AND evaluation.version = coalesce(latest_edit.version, 0)
