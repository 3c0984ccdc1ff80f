SELECT count(*)
FROM help_request
WHERE requested_at >= $start AND requested_at < $end
    AND fits_business_hours($business_hours, requested_at)
