SELECT coalesce(sum(questions), 0)
FROM (
    SELECT arg_max(questions, version) AS questions
    FROM (
        SELECT evaluation_id, version, count(*) AS questions
        FROM evaluation
        WHERE evaluated_at >= $start AND evaluated_at < $end
        GROUP BY evaluation_id, version
    )
    GROUP BY evaluation_id
)
