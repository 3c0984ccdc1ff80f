-- Planning intervals that began in the timespan. In the future, they have only a forecast.
SELECT
    slot.queue_id,
    coalesce(queue.name, slot.queue_id) AS queue_name, -- an interval may arrive before its queue
    slot.channel,
    slot.started_at,
    slot.interval_seconds,
    slot.forecast_contacts,
    slot.offered_contacts AS actual_contacts,
    slot.forecast_seconds_per_contact,
    -- Without contacts the average is null, not zero.
    CAST(slot.handle_seconds AS DOUBLE) / nullif(CAST(slot.handled_contacts AS DOUBLE), 0)
        AS actual_seconds_per_contact,
    slot.required_agents,
    slot.scheduled_agents,
    slot.shrinkage,
    -- Relative to all contacts: an abandoned call was not answered in time.
    CAST(slot.answered_in_time_contacts AS DOUBLE) / nullif(CAST(slot.offered_contacts AS DOUBLE), 0) AS service_level,
    slot.abandoned_contacts
FROM workforce_interval AS slot
LEFT JOIN queue ON queue.queue_id = slot.queue_id
WHERE slot.started_at >= $start AND slot.started_at < $end
