-- Contacts that finished in the timespan.
WITH agent_details AS (
    SELECT agent_id, name FROM agent
),

-- Talkdesk contract 6.6 does not define the instant at which an interaction is evaluated. Here it is the end of the
-- timespan, so that a repeated request returns the same row although a further contact may have begun since.
interaction AS (
    SELECT
        interaction_id,
        min(started_at) AS started_at,
        CASE WHEN bool_and(finished_at IS NOT NULL AND finished_at < $end) THEN max(finished_at) END AS finished_at,
        coalesce(
            TRY_CAST(sum(handle_seconds) FILTER (WHERE finished_at < $end) AS BIGINT),
            -- No real sum reaches 64 bits; an implausible one is limited, so that it does not fail the whole export.
            CASE WHEN count(handle_seconds) FILTER (WHERE finished_at < $end) > 0 THEN 9223372036854775807 END
        ) AS handle_seconds
    FROM messaging_contact
    WHERE
        started_at < $end
        AND interaction_id IN (
            SELECT interaction_id
            FROM messaging_contact
            WHERE started_at < $end AND finished_at >= $start AND finished_at < $end
        )
    GROUP BY interaction_id
),

queue_list AS (
    SELECT queue_ids AS ids
    FROM messaging_contact
    WHERE started_at < $end AND finished_at >= $start AND finished_at < $end
    UNION
    SELECT handling_queue_ids
    FROM messaging_contact
    WHERE started_at < $end AND finished_at >= $start AND finished_at < $end
),

named_queue AS (
    SELECT queue_id AS id, name FROM queue
),

named_queue_list AS (
    SELECT ids, names FROM named_lists('queue_list', 'named_queue')
)

SELECT
    contact.channel,
    contact.assigned_at,
    seconds_between(contact.started_at, contact.finished_at) AS contact_seconds,
    contact.finished_at,
    contact.finished_reason,
    contact.handle_seconds,
    contact.contact_id,
    contact.person_address,
    contact.person_id,
    contact.person_name,
    contact.started_at,
    contact.conversation_url,
    contact.direct_agent_id,
    direct_agent.name AS direct_agent_name,
    CASE contact.direction WHEN 'inbound' THEN 'Inbound' ELSE 'Outbound' END AS direction,
    contact.disposition,
    contact.first_response_seconds,
    handling_queue_list.names AS handling_queue_names,
    seconds_between(interaction.started_at, interaction.finished_at) AS interaction_seconds,
    interaction.finished_at AS interaction_finished_at,
    interaction.handle_seconds AS interaction_handle_seconds,
    contact.interaction_id,
    interaction.started_at AS interaction_started_at,
    CASE WHEN interaction.finished_at IS NULL THEN 'OPEN' ELSE 'CLOSED' END AS interaction_status,
    contact.virtual_agent_id IS NOT NULL AS is_virtual_agent,
    contact.notes,
    target_queue_list.names AS queue_names,
    contact.company_address,
    contact.company_address_label,
    contact.is_transfer_out,
    contact.agent_id,
    agent.name AS agent_name,
    contact.virtual_agent_id,
    virtual_agent.name AS virtual_agent_name,
    contact.wrap_up_seconds
FROM messaging_contact AS contact
INNER JOIN interaction ON interaction.interaction_id = contact.interaction_id
LEFT JOIN agent_details AS agent ON agent.agent_id = contact.agent_id
LEFT JOIN agent_details AS direct_agent ON direct_agent.agent_id = contact.direct_agent_id
LEFT JOIN virtual_agent ON virtual_agent.virtual_agent_id = contact.virtual_agent_id
LEFT JOIN named_queue_list AS target_queue_list ON target_queue_list.ids = contact.queue_ids
LEFT JOIN named_queue_list AS handling_queue_list ON handling_queue_list.ids = contact.handling_queue_ids
WHERE
    contact.started_at < $end
    AND contact.finished_at >= $start
    AND contact.finished_at < $end
