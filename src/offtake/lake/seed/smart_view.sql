-- Smart views: saved filter expressions.
SELECT
    id_of('smart view', number) AS smart_view_id,
    ['Urgent', 'VIP, "by queue"', 'Öffentlich'][1 + number] AS name,
    ['High priority, still open.', NULL, ''][1 + number] AS description,
    [
        'priority >= 3 and not status = "closed"',
        'queue in ("' || getvariable('queue_ids')[1] || '", "' || getvariable('queue_ids')[2] || '") or needs_attention = true',
        'network in ("twitter", "facebook") and is_private = false and not subject is empty'
    ][1 + number] AS expression,
    [NULL, 'inside', NULL][1 + number] AS business_hours
FROM range(3) AS numbered (number)
