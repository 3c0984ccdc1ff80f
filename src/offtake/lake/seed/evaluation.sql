-- Evaluations. One answered call in seventeen is evaluated within two days; one evaluation in eight is edited within
-- two more days. Question scores add up to section scores, and these to the total. An agent who fails the third
-- question is not asked the fourth, so an edit may remove it.
WITH evaluated_call AS (
    SELECT
        n, call_id, person, team, queue_ids, outgoing, kind, started_at, ends,
        roll('evaluation', n) AS dice,
        ends + 60000000 * (5 + uniform(dice, 0, 2880)) + uniform(dice, 1, 1000000) AS first_micros
    FROM rolled_call
    WHERE n % 17 = 0 AND answered AND person IS NOT NULL
),
versions AS (
    SELECT
        *,
        roll('evaluation', n || '/' || version) AS answers,
        first_micros + version * 60000000 * (10 + uniform(dice, 2, 2880)) AS micros
    FROM evaluated_call CROSS JOIN range(2) AS editions (version)
    WHERE version = 0 OR uniform(dice, 3, 8) = 0
),
evaluation_score AS (
    SELECT
        *,
        10 * uniform(answers, 0, 3) AS greeting, 10 * uniform(answers, 1, 3) AS needs, uniform(answers, 2, 4) > 0 AS solved,
        CASE WHEN solved THEN 10 * uniform(answers, 3, 3) END AS farewell,
        greeting + needs AS opening_score, CASE WHEN solved THEN 40 ELSE 0 END + coalesce(farewell, 0) AS closing_score
    FROM versions
    WHERE micros < getvariable('ends_at')
),
asked_question AS (
    SELECT
        *,
        n % 3 AS form, question > 2 AS is_closing,
        [greeting, needs, CASE WHEN solved THEN 40 ELSE 0 END, farewell, NULL][question] AS score
    FROM evaluation_score CROSS JOIN range(1, 6) AS questions (question)
    WHERE question <> 4 OR solved
)
SELECT
    id_of('evaluation', n) AS evaluation_id,
    version,
    id_of('question', form || '/' || question) AS question_id,
    at_micros(micros) AS evaluated_at,
    CASE WHEN version > 0 AND n % 5 > 0 THEN at_micros(first_micros) END AS first_evaluated_at,
    getvariable('agent_ids')[1 + person] AS agent_id,
    getvariable('team_ids')[1 + team] AS team_id,
    queue_ids,
    n % 7 < 3 AS is_automatic,
    -- automatic evaluations have one version; agents do not evaluate their own calls
    CASE
        WHEN version > 0 OR NOT is_automatic
            THEN getvariable('agent_ids')[1 + (person + 1 + uniform(dice, 3, len(getvariable('agent_ids')) - 1)) % len(getvariable('agent_ids'))]
    END AS evaluator_agent_id,
    100 AS max_score,
    opening_score + closing_score AS obtained_score,
    id_of('form', form) AS form_id,
    ['Calls, "standard"', 'Продажи', E'Billing\nand refunds'][1 + form] AS form_name,
    CASE WHEN form = 1 THEN id_of('header', form) END AS header_id,
    CASE WHEN form = 1 THEN 'Вежливость' END AS header_text,
    id_of('section', form || '/' || is_closing) AS section_id,
    CASE WHEN is_closing THEN 'Solution + farewell' ELSE 'Opening' END AS section_name,
    CASE WHEN is_closing THEN 60 ELSE 40 END AS section_max_score,
    CASE WHEN is_closing THEN closing_score ELSE opening_score END AS section_obtained_score,
    ['Was the caller greeted, by name?', 'Were the "real" needs found out?', 'Was it solved?', 'Did the call end politely?', 'What could be better?'][question] AS question_text,
    ['MultipleChoiceQuestion', 'MultipleChoiceQuestion', 'YesNoQuestion', 'MultipleChoiceQuestion', 'TextQuestion'][question] AS question_type,
    [20, 20, 40, 20, NULL][question] AS question_max_score,
    score AS question_obtained_score,
    CASE question
        WHEN 3 THEN CASE WHEN solved THEN 'Yes' ELSE 'No' END
        WHEN 5 THEN CASE WHEN uniform(dice, 1, 4) > 0 THEN word(getvariable('notes'), answers, 0) END
        ELSE ['Not at all', 'In part', '完全に'][1 + score // 10]
    END AS answer,
    CASE WHEN question = 3 AND NOT solved THEN 'What could be better?' END AS branch_to,
    CASE WHEN form <> 2 THEN question < 5 END AS is_mandatory,
    call_id AS interaction_id,
    CASE WHEN n % 4 = 0 THEN 'REF-' || n END AS interaction_reference,
    CASE WHEN n % 10 <> 4 THEN 'voice' END AS interaction_channel,
    CASE WHEN n % 10 <> 4 THEN started_at END AS interaction_started_at,
    CASE WHEN n % 10 <> 4 THEN CASE WHEN outgoing THEN 'outbound' ELSE 'inbound' END END AS interaction_direction,
    CASE WHEN n % 10 <> 4 THEN 'telephony' END AS interaction_source,
    CASE WHEN n % 10 <> 4 THEN kind END AS interaction_type,
    strftime(evaluated_at, '%Y-%m') AS month
FROM asked_question
