-- Steps of flows whose run ended in the timespan; all steps of a run come together, whenever each began. The end of a
-- run that still lasts is null, which no comparison lets through.
SELECT
    step.carrier_call_id,
    step.interaction_id,
    step.destination_number,
    step.origin_number,
    step.flow_name,
    step.flow_id,
    step.component,
    step.step_name,
    step.exit,
    step.step_milliseconds,
    step.started_at,
    step.flow_ended_at,
    step.step_order,
    step.flow_execution_id
FROM flow_step AS step
WHERE
    -- The run cannot have ended before the step began: later files are not opened, later row groups not read.
    step.started_at < $end
    AND step.flow_ended_at >= $start
    AND step.flow_ended_at < $end
