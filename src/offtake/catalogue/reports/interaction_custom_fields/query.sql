-- Account-defined fields of interactions that ended in the timespan: those of calls stand with the calls, those of all
-- other channels in a table of their own.
SELECT
    call.call_id AS interaction_id,
    NULL AS contact_id,
    'VOICE' AS channel,
    call.started_at,
    call.ended_at,
    call.integer_custom_1,
    call.integer_custom_2,
    call.decimal_custom_1,
    call.decimal_custom_2,
    call.text_custom_1,
    call.text_custom_2,
    call.text_custom_3,
    call.text_custom_4,
    call.instant_custom_1,
    call.ended_at AS updated_at
FROM call
WHERE
    call.ended_at >= $start
    AND call.ended_at < $end
    -- Most calls have no such field and are no rows. An empty text is a value: a user may have emptied the field.
    AND (
        call.integer_custom_1 IS NOT NULL
        OR call.integer_custom_2 IS NOT NULL
        OR call.decimal_custom_1 IS NOT NULL
        OR call.decimal_custom_2 IS NOT NULL
        OR call.text_custom_1 IS NOT NULL
        OR call.text_custom_2 IS NOT NULL
        OR call.text_custom_3 IS NOT NULL
        OR call.text_custom_4 IS NOT NULL
        OR call.instant_custom_1 IS NOT NULL
    )
UNION ALL
SELECT
    field.interaction_id,
    field.contact_id,
    field.channel,
    field.started_at,
    field.ended_at,
    field.integer_custom_1,
    field.integer_custom_2,
    field.decimal_custom_1,
    field.decimal_custom_2,
    field.text_custom_1,
    field.text_custom_2,
    field.text_custom_3,
    field.text_custom_4,
    field.instant_custom_1,
    field.updated_at
FROM custom_field AS field
WHERE
    field.ended_at >= $start
    AND field.ended_at < $end
    -- A row is here because its fields were written, so it is one even where all are null again. One that says VOICE
    -- breaks the data model and would show a call twice; it is passed over.
    AND field.channel <> 'VOICE'
