-- Each stay of an agent in a state, from the first of a turn of work to the last, against a schedule: half a shift, an
-- hour for lunch, the other half. Some agents are early and some late, and some stay on after the shift. The schedule is
-- the one at the beginning of the stay. A stay that still lasts is no piece yet.
WITH numbered_stay AS (
    SELECT *, count_if(kind = 'offline') OVER (PARTITION BY agent_id ORDER BY started_at) AS turn
    FROM stay
),
turns AS (
    SELECT agent_id, turn, min(epoch_us(started_at)) AS begins
    FROM numbered_stay
    WHERE kind <> 'offline'
    GROUP BY agent_id, turn
),
scheduled AS (
    SELECT
        numbered_stay.*,
        roll('schedule', agent_id || '/' || begins) AS dice,
        begins + 60000000 * (among(dice, 0, 20) - 14) AS due,
        (epoch_us(started_at) - due) // 60000000 AS minute,
        30 * (4 + among(dice, 1, 3)) AS lunch,
        epoch_us(started_at) < due OR minute >= lunch + 180 + 30 * among(dice, 2, 4) AS outside,
        NOT outside AND minute >= lunch AND minute < lunch + 60 AS eating
    FROM numbered_stay JOIN turns USING (agent_id, turn)
    WHERE kind <> 'offline' AND ended_at IS NOT NULL
)
SELECT
    agent_id,
    started_at,
    ended_at,
    team_id,
    CASE WHEN len(queue_ids) > 0 THEN queue_ids END AS queue_ids,
    CASE WHEN NOT outside THEN at_micros(due) END AS shift_started_at,
    CASE WHEN outside THEN 'Off Shift' ELSE 'On Shift' END AS shift_status,
    CASE
        WHEN outside THEN false
        WHEN eating THEN kind = 'away'
        ELSE kind <> 'away' OR state LIKE 'Training%'
    END AS is_aligned,
    CASE
        WHEN outside THEN NULL
        WHEN eating THEN 'Lunch, unpaid'
        ELSE ['Available for all channels', 'Disponível "voz"', '電話対応'][1 + among(dice, 3, 3)]
    END AS scheduled_event_name,
    CASE WHEN NOT outside AND among(dice, 3, 50) > 0 THEN NOT eating END AS is_paid,
    CASE WHEN among(dice, 2, 60) > 0 THEN state END AS actual_state,
    strftime(started_at, '%Y-%m') AS month
FROM scheduled
