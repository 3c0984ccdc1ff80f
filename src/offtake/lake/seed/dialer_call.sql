-- Dialer calls: every third outgoing call. The dialer dials a record until a call is answered, each time at another
-- number of the record. Attempt and call agree with each other.
WITH dialled_record AS (
    SELECT
        *,
        CAST(coalesce(sum(CASE WHEN answered THEN 1 ELSE 0 END) OVER (ORDER BY n ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS BIGINT) AS record
    FROM rolled_call
    WHERE n % 3 = 0 AND outgoing
),
dial_attempt AS (
    SELECT
        *,
        roll('record', record) AS dice,
        roll('dialled', n) AS own_dice,
        row_number() OVER (PARTITION BY record ORDER BY n) AS attempt
    FROM dialled_record
),
campaign_call AS (
    SELECT *, 1 + uniform(dice, 0, len(getvariable('campaign_ids'))) AS campaign FROM dial_attempt
)
SELECT
    call_id AS interaction_id,
    started_at,
    ended_at,
    getvariable('campaign_ids')[campaign] AS campaign_id,
    CASE WHEN answered THEN getvariable('agent_ids')[1 + person] END AS agent_id,
    CASE WHEN answered THEN getvariable('team_ids')[1 + team] END AS team_id,
    getvariable('agent_ids')[1 + handler] AS transferred_agent_id,
    CASE WHEN uniform(dice, 1, 25) > 0 THEN id_of('record', record) END AS record_id,
    CASE WHEN uniform(dice, 1, 25) > 1 THEN getvariable('campaign_names')[campaign] || ' / ' || (1 + uniform(dice, 2, 3)) END AS record_list_name,
    attempt AS attempt_number,
    CASE WHEN attempt > 1 AND uniform(own_dice, 0, 5) = 0 THEN ['personal', 'global'][1 + uniform(own_dice, 1, 2)] END AS callback_mode,
    customer_number,
    company_number,
    CASE WHEN uniform(dice, 1, 25) > 0 THEN ['mobile', 'home', 'work', 'other'][least(attempt, 4)] END AS phone_type,
    CASE WHEN uniform(a, 2, 10) < 4 THEN word(getvariable('notes'), a, 3) END AS notes,
    CASE WHEN answered AND uniform(e, 0, 10) < 6 THEN word(getvariable('dispositions'), e, 1) END AS disposition,
    CASE
        WHEN uniform(own_dice, 2, 40) = 0 THEN NULL
        WHEN answered THEN 'ANSWERED'
        ELSE ['NO_ANSWER', 'BUSY', 'ANSWERING_MACHINE', 'INVALID_NUMBER'][1 + uniform(own_dice, 1, 4)]
    END AS system_disposition,
    CASE system_disposition WHEN 'BUSY' THEN '486' WHEN 'INVALID_NUMBER' THEN '404' WHEN 'NO_ANSWER' THEN '480' WHEN 'ANSWERED' THEN '200' END AS sip_hangup_code,
    CASE WHEN system_disposition IS NOT NULL THEN total END AS total_seconds,
    -- The wait of an answered call is the ringing of the customer's phone, then the queue, then the ringing of the
    -- agent's.
    CASE WHEN answered THEN (wait - ringing) // 2 END AS queue_seconds,
    CASE WHEN answered THEN ringing END AS agent_ringing_seconds,
    CASE
        WHEN system_disposition IS NULL OR system_disposition = 'INVALID_NUMBER' THEN NULL
        WHEN answered THEN wait - ringing - queue_seconds
        ELSE wait
    END AS customer_ringing_seconds,
    CASE WHEN uniform(dice, 3, 4) > 0 THEN CAST(to_json({'plan': word(getvariable('texts'), dice, 3), 'debt': uniform(dice, 2, 500)}) AS VARCHAR) END AS record_extra_data,
    strftime(ended_at, '%Y-%m') AS month
FROM campaign_call
