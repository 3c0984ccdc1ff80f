-- Steps of routing flows. One incoming call in nine has a flow that lasts as long as the caller waits: its steps
-- follow each other without gaps, and their durations add up. At the end of the plan a few calls are in progress: they
-- have no row in call, and their flows have no end.
WITH run AS (
    SELECT
        n, call_id, begins, begins + 1000000 * wait AS ends, 1000 * wait AS whole, kind, given_up, customer_number, company_number,
        in_business_hours, roll('flow', n) AS dice
    FROM rolled_call
    WHERE n % 9 = 0 AND NOT outgoing
    UNION ALL
    SELECT
        $last + number, id_of('call', $last + number), getvariable('ends_at') - 1000 * (20000 + 1234 * number), NULL, 18000, NULL, false,
        '+999' || lpad(CAST(number AS VARCHAR), 9, '7'), '+12025550100', true, roll('flow', $last + number)
    FROM range(4) AS numbered (number)
),
step_time AS (
    SELECT
        *,
        1 + uniform(dice, 0, 40) AS looking_up,
        -- in milliseconds; callers hang up in the menu
        CASE WHEN given_up
            THEN [0, whole // 5, looking_up, whole - whole // 5 - looking_up]
            ELSE [0, whole // 5, looking_up, whole // 7, whole - whole // 5 - whole // 7 - looking_up]
        END AS parts
    FROM run
),
executed_step AS (
    SELECT
        * EXCLUDE (step), CAST(step AS BIGINT) AS step,
        begins + 1000 * coalesce(list_sum(parts[:step]), 0) AS micros,
        uniform(dice, 1, len(getvariable('flow_names'))) AS flow
    FROM step_time CROSS JOIN range(5) AS steps (step)
    WHERE step < CASE WHEN ends IS NULL THEN 3 ELSE len(parts) END
)
SELECT
    id_of('flow run', n) AS flow_execution_id,
    step AS step_order,
    at_micros(CAST(micros AS BIGINT)) AS started_at,
    parts[1 + step] AS step_milliseconds,
    at_micros(ends) AS flow_ended_at,
    'CA' || reverse(call_id) AS carrier_call_id,
    call_id AS interaction_id,
    CASE WHEN uniform(dice, 2, 20) > 0 THEN customer_number END AS origin_number,
    CASE WHEN uniform(dice, 2, 30) <> 7 THEN company_number END AS destination_number,
    CASE WHEN uniform(dice, 2, 40) <> 9 THEN id_of('flow', flow) END AS flow_id,
    CASE WHEN flow_id IS NOT NULL THEN getvariable('flow_names')[1 + flow] END AS flow_name,
    CASE WHEN step = 4 AND kind = 'voicemail' THEN 'Voicemail' ELSE ['Initial Step', 'Play Audio', 'Business Hours', 'Keypad Input', 'Assign and Dial'][1 + step] END AS component,
    CASE WHEN uniform(dice, 3, 15) > 0 THEN getvariable('step_names')[1 + 5 * (flow % 3) + step] END AS step_name,
    CASE step
        WHEN 0 THEN 'ok'
        WHEN 1 THEN CASE WHEN uniform(dice, 3, 12) > 0 THEN 'ok' END
        WHEN 2 THEN CASE WHEN in_business_hours THEN 'open' ELSE 'closed' END
        WHEN 3 THEN CASE WHEN given_up THEN 'call_aborted' ELSE ['1', '2', '9', 'no_input'][1 + uniform(dice, 3, 4)] END
        ELSE CASE kind WHEN 'inbound' THEN 'answered' WHEN 'missed' THEN 'no_answer' ELSE 'ok' END
    END AS exit,
    strftime(started_at, '%Y-%m') AS month
FROM executed_step
