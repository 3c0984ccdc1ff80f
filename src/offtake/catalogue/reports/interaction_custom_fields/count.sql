SELECT
    (
        SELECT count(*)
        FROM call
        WHERE
            ended_at >= $start
            AND ended_at < $end
            AND NOT (
                integer_custom_1 IS NULL
                AND integer_custom_2 IS NULL
                AND decimal_custom_1 IS NULL
                AND decimal_custom_2 IS NULL
                AND text_custom_1 IS NULL
                AND text_custom_2 IS NULL
                AND text_custom_3 IS NULL
                AND text_custom_4 IS NULL
                AND instant_custom_1 IS NULL
            )
    )
    + (
        SELECT count(*)
        FROM custom_field
        WHERE ended_at >= $start AND ended_at < $end AND channel <> 'VOICE'
    )
