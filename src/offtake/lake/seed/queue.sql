-- Queues.
SELECT
    id_of('queue', number) AS queue_id,
    CASE
        WHEN number < len(getvariable('queue_names')) THEN getvariable('queue_names')[1 + number]
        ELSE 'queue-' || number
    END AS name,
    11 + number AS number,
    CASE WHEN number % 4 <> 2 THEN word(getvariable('texts'), roll('queue', number), 0) END AS description,
    number % 10 = 9 AS is_archived
FROM range($queues) AS numbered (number)
