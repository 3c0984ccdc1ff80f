-- Agent states. Within each period, an agent's states follow each other without gaps or overlaps: the query computes
-- start times, and a state ends where the next one starts. The periods around clock changes, outside the plan's days,
-- have a quarter of the agents.
WITH agent_period AS (
    SELECT number, zone, queue, period.*
    FROM person CROSS JOIN period
    WHERE main OR number % 4 = 0
),
shift_start AS (
    SELECT
        agent_period.number, agent_period.period, agent_period.start_micros, agent_period.end_micros, shift.micros,
        roll('shift', agent_period.number || '/' || shift.micros) AS dice,
        -- most shifts start in the morning, a few in the evening, so that some work crosses midnight
        shift.micros + 1000000 * ([0, 3600, 7200, 36000][1 + agent_period.number % 4] + uniform(dice, 0, 1800)) + uniform(dice, 1, 1000000) AS begins
    FROM agent_period JOIN shift ON shift.zone = agent_period.zone AND shift.period = agent_period.period
    WHERE uniform(dice, 2, 12) <> 0  -- one shift in twelve is absent
),
work_states AS (
    SELECT
        number, period, start_micros, end_micros, begins, step,
        roll('piece', number || '/' || micros || '/' || step) AS dice,
        1000000 * (180 + uniform(dice, 0, 1800)) + 1000 * uniform(dice, 1, 1000) AS lasts,
        8 + uniform(roll('pieces', number || '/' || micros), 0, 9) AS last_step
    FROM shift_start CROSS JOIN range(17) AS steps (step)
),
state_start AS (
    SELECT number, period, start_micros, end_micros, start_micros AS micros, 'offline' AS state FROM agent_period
    UNION ALL
    SELECT
        number, period, start_micros, end_micros,
        CAST(begins + coalesce(sum(lasts) OVER (PARTITION BY number, period, begins ORDER BY step ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS BIGINT),
        CASE WHEN step = last_step THEN 'offline' ELSE getvariable('work')[1 + (step + number) % len(getvariable('work'))] END
    FROM work_states WHERE step <= last_step
),
state_start_in_period AS (
    SELECT * FROM state_start WHERE micros > start_micros AND micros < end_micros OR micros = start_micros AND state = 'offline'
),
-- A change of team starts a new row, although the state continues.
state_start_with_moves AS (
    SELECT * FROM state_start_in_period
    UNION ALL
    SELECT number, period, start_micros, end_micros, getvariable('moved_at'), arg_max(state, micros)
    FROM state_start_in_period
    WHERE micros < getvariable('moved_at') AND getvariable('moved_at') < end_micros
        AND getvariable('teams_now')[1 + number] IS DISTINCT FROM getvariable('teams_before')[1 + number]
    GROUP BY number, period, start_micros, end_micros
    HAVING NOT list_contains(list(micros), getvariable('moved_at'))
),
state_period AS (
    SELECT
        *,
        lead(micros) OVER (PARTITION BY number, period ORDER BY micros) AS next_micros,
        team_at(number, micros) AS team,
        roll('state', number || '/' || micros) AS dice
    FROM state_start_with_moves
)
SELECT
    getvariable('agent_ids')[1 + number] AS agent_id,
    at_micros(micros) AS started_at,
    CASE
        WHEN next_micros IS NOT NULL THEN at_micros(next_micros)
        WHEN end_micros < getvariable('ends_at') OR number % 3 <> 0 THEN at_micros(end_micros)
    END AS ended_at,
    state,
    getvariable('team_ids')[1 + team] AS team_id,
    CASE
        WHEN state = 'offline' THEN NULL
        WHEN number % 9 = 8 THEN []
        ELSE list_transform(
            range(1 + number % 3), lambda step: getvariable('queue_ids')[1 + (number + 5 * step) % len(getvariable('queue_ids'))]
        )
    END AS queue_ids,
    CASE
        WHEN state = 'offline' THEN 'offline'
        WHEN state = 'Available' THEN 'available'
        WHEN state IN ('On A Call', 'After Call Work') THEN 'busy'
        ELSE 'away'
    END AS kind,
    CASE WHEN state NOT LIKE 'Pausa%' THEN id_of('state', state) END AS state_id,
    CASE WHEN state <> 'offline' THEN uniform(dice, 0, 8) = 0 END AS is_mobile,
    CASE
        WHEN micros = start_micros OR micros = getvariable('moved_at') THEN 'system'
        WHEN uniform(dice, 1, 50) > 0 THEN ['agent', 'agent', 'agent', 'agent', 'supervisor', 'system'][1 + uniform(dice, 2, 6)]
    END AS changed_by,
    strftime(started_at, '%Y-%m') AS month
FROM state_period
