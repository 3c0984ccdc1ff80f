-- Contacts of messaging interactions.
SELECT
    id_of('messaging', n || '/' || leg) AS contact_id,
    id_of('messaging', n) AS interaction_id,
    at_micros(begins) AS started_at,
    CASE WHEN person IS NOT NULL THEN at_micros(begins + pace // 2) END AS assigned_at,
    CASE WHEN ends < getvariable('ends_at') THEN at_micros(ends) END AS finished_at,
    word(getvariable('channels'), whole, 3) AS channel,
    CASE WHEN uniform(whole, 0, 70) >= 60 THEN 'outbound' ELSE 'inbound' END AS direction,
    CASE
        WHEN finished_at IS NULL OR uniform(b, 3, 20) = 0 THEN NULL
        WHEN leg + 1 < legs THEN CASE WHEN uniform(b, 3, 3) = 0 THEN 'SENT BACK TO QUEUE' ELSE 'TRANSFERRED' END
        WHEN person IS NULL OR uniform(b, 3, 4) = 0 THEN 'TIMED OUT'
        ELSE 'MANUALLY CLOSED'
    END AS finished_reason,
    CASE WHEN finished_at IS NOT NULL AND person IS NOT NULL AND uniform(c, 0, 3) > 0 THEN 3 + uniform(c, 1, 120) END AS wrap_up_seconds,
    CASE WHEN finished_at IS NOT NULL AND person IS NOT NULL THEN (ends - begins - pace // 2) // 1000000 + coalesce(wrap_up_seconds, 0) END AS handle_seconds,
    CASE WHEN messages > 1 AND finished_at IS NOT NULL THEN pace // 1000000 END AS first_response_seconds,
    CASE
        WHEN uniform(whole, 1, 15) = 0 THEN NULL
        WHEN channel = 'EMAIL' THEN 'customer.' || uniform(whole, 0, 5000) || '@mail.example'
        ELSE id_of('messaging person', uniform(whole, 0, 5000))
    END AS person_id,
    CASE
        WHEN person_id IS NULL OR uniform(whole, 2, 8) = 0 THEN NULL
        WHEN uniform(whole, 2, 9) = 1 THEN word(getvariable('odd_names'), roll('messaging person', uniform(whole, 0, 5000)), 0)
        ELSE word(getvariable('given'), roll('messaging person', uniform(whole, 0, 5000)), 0) || ' ' || word(getvariable('family'), roll('messaging person', uniform(whole, 0, 5000)), 1)
    END AS person_name,
    CASE
        WHEN uniform(whole, 2, 25) = 2 THEN NULL
        WHEN channel = 'EMAIL' THEN 'customer.' || uniform(whole, 0, 5000) || '@mail.example'
        WHEN channel = 'CHAT' THEN 'https://shop.example/help?page=' || uniform(whole, 1, 40)
        ELSE '+999' || lpad(CAST(uniform(whole, 0, 5000) AS VARCHAR), 9, '0')
    END AS person_address,
    CASE
        WHEN channel = 'EMAIL' THEN 'help@care.example'
        WHEN channel <> 'CHAT' THEN '+1202555' || lpad(CAST(100 + uniform(whole, 2, 12) AS VARCHAR), 4, '0')
    END AS company_address,
    CASE WHEN company_address IS NOT NULL AND uniform(whole, 2, 12) > 0 THEN getvariable('labels')[1 + uniform(whole, 2, 12)] END AS company_address_label,
    CASE WHEN n % 13 <> 12 THEN 'https://care.example/messages/' || interaction_id END AS conversation_url,
    getvariable('agent_ids')[1 + person] AS agent_id,
    CASE WHEN person IS NOT NULL AND uniform(b, 3, 15) = 1 THEN getvariable('agent_ids')[1 + (person + 1) % $agents] END AS direct_agent_id,
    CASE WHEN is_virtual THEN id_of('virtual_agent', uniform(whole, 1, len(getvariable('virtual_agent_names')))) END AS virtual_agent_id,
    CASE
        WHEN is_virtual THEN CASE WHEN n % 16 = 0 THEN [] END
        ELSE list_transform(range(1 + uniform(c, 2, 3)), lambda step: getvariable('queue_ids')[1 + (uniform(c, 3, $queues) + 5 * step) % $queues])
    END AS queue_ids,
    CASE WHEN person IS NOT NULL THEN queue_ids[len(queue_ids):] END AS handling_queue_ids,
    leg + 1 < legs AND finished_at IS NOT NULL AS is_transfer_out,
    CASE WHEN person IS NOT NULL AND finished_at IS NOT NULL AND uniform(c, 0, 10) < 6 THEN word(getvariable('dispositions'), c, 1) END AS disposition,
    CASE WHEN person IS NOT NULL AND uniform(c, 1, 10) < 4 THEN word(getvariable('notes'), c, 2) END AS notes,
    strftime(started_at, '%Y-%m') AS month
FROM messaging_leg
