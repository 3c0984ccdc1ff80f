-- Adherence events: one per completed state of an agent within a turn of work, compared with the agent's schedule. A
-- schedule is half a shift, an hour of lunch and the other half. Some agents start early, some late, and some stay on
-- after the shift. The schedule that applies is the one at the start of the state. Open states are left out.
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
        begins + 60000000 * (uniform(dice, 0, 20) - 14) AS due,
        (epoch_us(started_at) - due) // 60000000 AS minute,
        30 * (4 + uniform(dice, 1, 3)) AS lunch,
        epoch_us(started_at) < due OR minute >= lunch + 180 + 30 * uniform(dice, 2, 4) AS outside,
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
        ELSE ['Available for all channels', 'Disponível "voz"', '電話対応'][1 + uniform(dice, 3, 3)]
    END AS scheduled_event_name,
    CASE WHEN NOT outside AND uniform(dice, 3, 50) > 0 THEN NOT eating END AS is_paid,
    CASE WHEN uniform(dice, 2, 60) > 0 THEN state END AS actual_state,
    strftime(started_at, '%Y-%m') AS month
FROM scheduled
