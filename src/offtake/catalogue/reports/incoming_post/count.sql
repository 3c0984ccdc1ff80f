SELECT count(*)
FROM post
WHERE happened_at >= $start AND happened_at < $end
    AND kind = 'incoming'
    AND fits_business_hours($business_hours, happened_at)
