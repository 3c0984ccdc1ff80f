-- Steps of runs of flows that ended in the timespan: all steps of a run, whenever each began. The end of a current run
-- is null, for which the comparisons are not true.
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
    -- A step begins before its run ends. With this condition, later files and row groups are not read.
    step.started_at < $end
    AND step.flow_ended_at >= $start
    AND step.flow_ended_at < $end
