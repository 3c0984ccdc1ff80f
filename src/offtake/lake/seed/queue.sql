SELECT
    id_of('queue', number) AS queue_id,
    CASE
        WHEN number < len(getvariable('queue_names')) THEN getvariable('queue_names')[1 + number]
        ELSE 'queue-' || number
    END AS name
FROM range($queues) AS numbered (number)
