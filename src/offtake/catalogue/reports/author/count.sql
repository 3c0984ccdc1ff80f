SELECT count(*)
FROM (
    -- Unlike count(DISTINCT author_id), these rows can spill.
    SELECT DISTINCT author_id
    FROM post
    WHERE
        kind = 'incoming'
        AND author_id IS NOT NULL
        AND happened_at >= $start
        AND happened_at < $end
        AND fits_business_hours($business_hours, happened_at)
)
