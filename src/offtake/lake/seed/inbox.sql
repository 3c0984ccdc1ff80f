-- Inboxes: one shared inbox per team, then one personal inbox per agent.
SELECT
    id_of('inbox', number) AS inbox_id,
    CASE
        WHEN number >= $teams THEN 'Inbox of agent.' || (number - $teams)
        WHEN number < len(getvariable('inbox_names')) THEN getvariable('inbox_names')[1 + number]
        ELSE 'Inbox ' || number
    END AS name,
    number < $teams AS is_shared
FROM range($teams + $agents) AS counted (number)
