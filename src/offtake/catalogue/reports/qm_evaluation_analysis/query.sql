-- Questions of evaluations that were submitted in the timespan. An edit submits the whole evaluation again as its next
-- version and may drop questions, so the rows of earlier versions are passed over as a whole. An edit after the timespan
-- is not known to it: asking for the same timespan again gives the same rows, and asking for the next one gives the edit.
WITH people AS (
    SELECT agent_id, name, email FROM agent
),

-- Few evaluations are ever edited. Looking for the last version among those alone keeps this small; where an evaluation
-- is not in here, all that the timespan has of it is version 0.
edited AS (
    SELECT evaluation_id, max(version) AS version
    FROM evaluation
    WHERE evaluated_at >= $start AND evaluated_at < $end AND version > 0
    GROUP BY evaluation_id
),

route AS (
    SELECT DISTINCT queue_ids AS ids
    FROM evaluation
    WHERE evaluated_at >= $start AND evaluated_at < $end
),

known_queue AS (
    SELECT queue_id AS id, name FROM queue
)

SELECT
    -- A name and an e-mail address are known together or not at all.
    coalesce(person.name || ' (' || person.email || ') ', '') || '[' || evaluation.agent_id || ']' AS agent_in_full,
    evaluation.agent_id,
    coalesce(person.name, evaluation.agent_id) AS agent_name, -- never null for the vendor's clients
    person.email AS agent_email,
    evaluation.evaluation_id,
    evaluation.evaluated_at,
    evaluation.version,
    evaluation.max_score,
    evaluation.obtained_score,
    CASE
        -- The vendor's own words; they stay when a person edits, whose name is then shown in addition.
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
    named_route.names AS queue_names,
    team.name AS team_name,
    evaluation.branch_to,
    evaluation.first_evaluated_at,
    evaluation.header_id,
    evaluation.header_text,
    evaluation.interaction_reference,
    evaluation.is_mandatory,
    evaluation.interaction_channel,
    evaluation.interaction_started_at,
    -- Words of the vendor's newer reports; what this one says is not public.
    CASE evaluation.interaction_direction
        WHEN 'inbound' THEN 'Inbound'
        WHEN 'outbound' THEN 'Outbound'
    END AS interaction_direction,
    evaluation.interaction_source,
    evaluation.interaction_type,
    CASE WHEN evaluation.question_type = 'TextQuestion' THEN evaluation.answer END AS free_text_answer
FROM evaluation
LEFT JOIN edited ON edited.evaluation_id = evaluation.evaluation_id
LEFT JOIN people AS person ON person.agent_id = evaluation.agent_id
LEFT JOIN people AS evaluator ON evaluator.agent_id = evaluation.evaluator_agent_id
LEFT JOIN team ON team.team_id = evaluation.team_id
LEFT JOIN named_lists('route', 'known_queue') AS named_route ON named_route.ids = evaluation.queue_ids
WHERE
    evaluation.evaluated_at >= $start
    AND evaluation.evaluated_at < $end
    AND evaluation.version = coalesce(edited.version, 0)
