-- Account-defined fields of interactions that ended in the timespan: those of calls are in the table of calls, those of
-- all other channels in a separate table.
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
    -- Calls without such a field, which are most, have no row. An empty text is a value: a user may have cleared it.
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
    -- This table has a row if fields were written, so the row counts even if all fields are null again. A row with VOICE
    -- violates the data model and would show a call twice; it is ignored.
    AND field.channel <> 'VOICE'
