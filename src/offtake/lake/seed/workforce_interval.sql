-- Workforce intervals: quarters of an hour, aligned in UTC. The actual values are counted from the calls; the planned
-- values are a noisy copy of them. There is a plan for every quarter of the last five mornings, even without calls,
-- and one for e-mail in every fourth queue, whose actual values are not yet known.
WITH call_count AS (
    SELECT
        queue_ids[1] AS queue_id,
        begins - begins % 900000000 AS micros,
        count(*) AS offered,
        count_if(answered) AS handled,
        count_if(answered AND wait <= 30) AS in_time,
        count_if(given_up) AS given_up,
        sum(CASE WHEN answered THEN talk + hold ELSE 0 END) AS handle
    FROM rolled_call
    WHERE NOT outgoing
    GROUP BY ALL
),
plan_interval AS (
    SELECT queue_id, getvariable('ends_at') - 86400000000 * (1 + day) + 900000000 * (32 + quarter) AS micros
    FROM (SELECT unnest(getvariable('queue_ids')) AS queue_id), range(5) AS days (day), range(16) AS quarters (quarter)
    WHERE micros >= (SELECT start_micros FROM period WHERE main)
),
voice AS (
    SELECT queue_id, 'voice' AS channel, micros, call_count.* EXCLUDE (queue_id, micros), plan_interval.queue_id IS NOT NULL AS is_planned
    FROM call_count FULL JOIN plan_interval USING (queue_id, micros)
),
intervals AS (
    SELECT *, roll('interval', queue_id || '/' || micros) AS dice FROM voice
    UNION ALL BY NAME
    SELECT queue_id, 'email' AS channel, micros, true AS is_planned, roll('interval', queue_id || '/email/' || micros) AS dice
    FROM plan_interval
    WHERE list_position(getvariable('queue_ids'), queue_id) % 4 = 0
),
forecast AS (
    SELECT
        *,
        -- some calls arrive in an interval without a plan
        is_planned OR uniform(dice, 3, 20) > 0 AS has_plan,
        CASE WHEN has_plan THEN (coalesce(offered, 0) * 4 + uniform(dice, 0, 9)) / 4.0 END AS forecast,
        CASE WHEN has_plan THEN 240.0 + uniform(dice, 1, 480) / 2.0 END AS needed
    FROM intervals
)
SELECT
    queue_id,
    channel,
    at_micros(micros) AS started_at,
    900 AS interval_seconds,
    forecast AS forecast_contacts,
    CASE WHEN channel = 'voice' THEN coalesce(offered, 0) END AS offered_contacts,
    CASE WHEN channel = 'voice' THEN coalesce(handled, 0) END AS handled_contacts,
    CASE WHEN channel = 'voice' THEN coalesce(in_time, 0) END AS answered_in_time_contacts,
    CASE WHEN channel = 'voice' THEN coalesce(given_up, 0) END AS abandoned_contacts,
    needed AS forecast_seconds_per_contact,
    CASE WHEN channel = 'voice' THEN coalesce(CAST(handle AS BIGINT), 0) END AS handle_seconds,
    ceil(forecast * needed / 900 * 10) / 10 AS required_agents,
    CASE WHEN uniform(dice, 3, 15) > 0 THEN greatest(0.0, ceil(required_agents) - 1 + uniform(dice, 2, 3)) END AS scheduled_agents,
    CASE WHEN has_plan THEN (20 + uniform(dice, 2, 16)) / 100.0 END AS shrinkage,
    strftime(started_at, '%Y-%m') AS month
FROM forecast
