SELECT count(*)
FROM conversation_action
WHERE happened_at >= $start AND happened_at < $end
    AND fits_business_hours($business_hours, happened_at)
