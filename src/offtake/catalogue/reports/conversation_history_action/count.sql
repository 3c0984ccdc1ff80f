SELECT coalesce(sum(least(actions, $actions_cap)), 0)
FROM (
    SELECT count(*) AS actions
    FROM conversation_action
    WHERE happened_at <= $as_of AND in_partition(conversation_id)
    GROUP BY conversation_id
    HAVING bool_or(
        happened_at >= $start AND happened_at < $end AND fits_business_hours($business_hours, happened_at)
    )
)
