-- Survey feedback. Two of three calls with a score have a survey: a question sent after the call and its answer, a
-- condition, an open question that half of the customers answer, and the end. As many surveys are sent and never
-- answered.
WITH surveyed_call AS (
    SELECT
        *,
        uniform(f, 1, 8) = 0 AS scored,
        roll('survey', n) AS dice,
        coalesce(handler, person) AS last_person,
        [ends + 5000000, ends + 1000000 * (30 + uniform(f, 3, 7200))] AS asked_and_answered
    FROM rolled_call
    WHERE answered AND uniform(f, 1, 8) <= 1 AND n % 3 <> 0
),
survey_event AS (
    SELECT
        * EXCLUDE (step), step,
        uniform(dice, 0, len(getvariable('survey_names'))) AS survey,
        ['sms', 'sms', 'voice', 'email', NULL][1 + uniform(dice, 1, 5)] AS channel,
        -- Sent, answered, condition, sent, answered, end; times never decrease.
        asked_and_answered[1 + least(step, 1)] + [0, 0, 200000, 500123, 500123, 600000][1 + step]
            + CASE WHEN step >= 4 THEN 1000000 * (5 + uniform(dice, 2, 600)) ELSE 0 END AS happens
    FROM surveyed_call CROSS JOIN range(6) AS steps (step)
    WHERE step = 0 OR scored AND (step <> 4 OR uniform(dice, 3, 2) = 0)
)
SELECT
    call_id AS interaction_id,
    id_of('component', 10 * survey + [0, 0, 1, 2, 2, 3][1 + step]) AS component_id,
    at_micros(happens) AS happened_at,
    getvariable('survey_names')[1 + survey] AS flow_name,
    CASE WHEN survey <> 2 THEN ['score', 'score', 'happy?', 'open question', 'open question', 'end'][1 + step] END AS component_name,
    ['Ask CSAT', 'Ask CSAT', 'Conditional Logic', 'Ask Open Question', 'Ask Open Question', 'End Flow'][1 + step] AS component_type,
    CASE
        WHEN step <= 1 THEN getvariable('survey_texts')[1 + 2 * survey]
        WHEN step IN (3, 4) THEN getvariable('survey_texts')[2 + 2 * survey]
    END AS component_text,
    CASE step WHEN 1 THEN CAST(1 + uniform(f, 2, 5) AS VARCHAR) WHEN 4 THEN word(getvariable('notes'), dice, 2) END AS response,
    CASE WHEN NOT scored AND channel = 'sms' AND uniform(dice, 2, 3) = 0 THEN ['Unreachable', 'Blocked, "STOP"'][1 + uniform(dice, 3, 2)] END AS sms_error,
    CASE
        WHEN step IN (1, 4) THEN 'answered'
        WHEN step = 0 AND sms_error IS NOT NULL THEN 'failed'
        WHEN step IN (0, 3) THEN 'sent'
    END AS response_state,
    step <= 1 AS is_kpi,
    step IN (3, 4) AS is_about_agent,
    CASE WHEN step = 4 AND channel = 'voice' THEN 'https://recordings.example/surveys/' || call_id END AS recording_url,
    getvariable('agent_ids')[1 + last_person] AS agent_id,
    getvariable('team_ids')[1 + team_at(last_person, ends)] AS team_id,
    queue_ids[1] AS queue_id,
    CASE WHEN channel <> 'email' THEN customer_number END AS respondent_number,
    CASE WHEN uniform(dice, 3, 30) <> 5 THEN company_number END AS company_number,
    CASE WHEN uniform(dice, 3, 30) <> 7 THEN CASE WHEN outgoing THEN 'outbound' ELSE 'inbound' END END AS interaction_direction,
    channel AS survey_channel,
    CASE WHEN company_number_label IS NOT NULL THEN id_of('touch point', survey_event.company_number) END AS touch_point_id,
    company_number_label AS touch_point_name,
    CASE WHEN company_number_label IS NOT NULL THEN survey_event.company_number END AS touch_point_value,
    strftime(happened_at, '%Y-%m') AS month
FROM survey_event
