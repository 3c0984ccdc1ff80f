-- Words for the reports, the same in the check at the start and in every attempt.

-- Whether a filter lets a value through: one that is off (null) lets everything through.
CREATE TEMP MACRO chosen(wanted, value) AS
    CAST(wanted AS VARCHAR[]) IS NULL OR coalesce(list_contains(CAST(wanted AS VARCHAR[]), CAST(value AS VARCHAR)), false);

-- The same for a row that has several values: one of them is enough.
CREATE TEMP MACRO chosen_any(wanted, held) AS
    CAST(wanted AS VARCHAR[]) IS NULL OR coalesce(list_has_any(CAST(wanted AS VARCHAR[]), CAST(held AS VARCHAR[])), false);

-- What files and filters call something that may have a short number: the number, or else the id. The id is the one that
-- the fact has: what the lake does not know yet has no number, and shows its id, too.
CREATE TEMP MACRO number_or_id(number, id) AS coalesce(CAST(number AS VARCHAR), id);

-- Whether the part that is being made has what belongs to a key. An attempt that has only one part reads without it.
CREATE TEMP MACRO in_partition(key) AS
    coalesce(CAST(getvariable('partitions') AS UBIGINT), 1) = 1
    OR hash(key) % CAST(getvariable('partitions') AS UBIGINT) = CAST(getvariable('partition') AS UBIGINT);

-- Elapsed time between two instants, cut to whole units; negative where the second is the earlier one.
CREATE TEMP MACRO seconds_between(earlier, later) AS CAST(trunc((epoch_us(later) - epoch_us(earlier)) / 1000000) AS BIGINT);
CREATE TEMP MACRO milliseconds_between(earlier, later) AS CAST(trunc((epoch_us(later) - epoch_us(earlier)) / 1000) AS BIGINT);

-- Whether an instant lies in the account's business hours. The engine sets the variables from the tables business_hours
-- and holiday, in the account's zone: a flag for each minute of the week from Monday on, and the days off. An account
-- without business hours is open around the clock, but for its days off.
CREATE TEMP MACRO in_business_hours(moment) AS
    coalesce(
        CAST(getvariable('business_minutes') AS BOOLEAN[])[
            (isodow(moment AT TIME ZONE CAST(getvariable('business_zone') AS VARCHAR)) - 1) * 1440
            + hour(moment AT TIME ZONE CAST(getvariable('business_zone') AS VARCHAR)) * 60
            + minute(moment AT TIME ZONE CAST(getvariable('business_zone') AS VARCHAR)) + 1
        ]
        AND NOT coalesce(
            list_contains(
                CAST(getvariable('holidays') AS DATE[]),
                CAST(moment AT TIME ZONE CAST(getvariable('business_zone') AS VARCHAR) AS DATE)
            ),
            false
        ),
        true
    );

-- Whether the filter by business hours (inside, outside, or null for off) lets an instant through.
CREATE TEMP MACRO fits_business_hours(wanted, moment) AS
    wanted IS NULL OR in_business_hours(moment) = (CAST(wanted AS VARCHAR) = 'inside');

-- The instant at which the clocks of a zone show a midnight. DuckDB takes the second instant of a midnight that occurs twice
-- (Havana, in November), the product takes the first: the one with the offset that was in force the day before. Where
-- clocks changed in between, that offset is the wrong one and does not give the reading. A midnight that does not exist is
-- the instant of the change: the day begins an hour late.
CREATE TEMP MACRO midnight_by_the_offset_before(midnight, zone) AS
    (midnight - (
        (midnight - INTERVAL 1 DAY) - ((midnight - INTERVAL 1 DAY) AT TIME ZONE zone) AT TIME ZONE 'UTC'
    )) AT TIME ZONE 'UTC';
CREATE TEMP MACRO instant_of_midnight(midnight, zone) AS
    CASE
        WHEN midnight_by_the_offset_before(midnight, zone) AT TIME ZONE zone = midnight
            THEN midnight_by_the_offset_before(midnight, zone)
        ELSE midnight AT TIME ZONE zone
    END;

-- The macros below make a table from tables. Their arguments are the names of common table expressions of the query, which
-- give the columns the names that the macro reads.

-- Lists of ids with the names behind them, in each list's order. `lists` has `ids`, each list once: thousands of lists serve
-- millions of rows, so names are looked up once per list. `known` has `id` and `name`. A fact may arrive before what it
-- names; the id is better than a gap.
CREATE TEMP MACRO named_lists(lists, known) AS TABLE
    SELECT entry.ids, list(coalesce(known.name, entry.id) ORDER BY entry.position) AS names
    FROM (
        SELECT ids, unnest(ids) AS id, generate_subscripts(ids, 1) AS position
        FROM query_table(lists)
    ) AS entry
    LEFT JOIN query_table(known) AS known ON known.id = entry.id
    GROUP BY entry.ids;

-- The teams of each agent who has any, in order of name: `team_names`, and `team_ids` as files and filters call them. A
-- source may fill an agent's own team (`own`: `agent_id`, `team_id`), the memberships (`joined`: the same), or both. `known`
-- has `team_id`, `number` and `name`.
CREATE TEMP MACRO teams_of_agents(own, joined, known) AS TABLE
    SELECT
        membership.agent_id,
        list(
            coalesce(team.name, membership.team_id)
            ORDER BY coalesce(team.name, membership.team_id), membership.team_id
        ) AS team_names,
        list(
            number_or_id(team.number, membership.team_id)
            ORDER BY coalesce(team.name, membership.team_id), membership.team_id
        ) AS team_ids
    FROM (
        SELECT agent_id, team_id FROM query_table(joined)
        UNION
        SELECT agent_id, team_id FROM query_table(own) WHERE team_id IS NOT NULL
    ) AS membership
    LEFT JOIN query_table(known) AS team ON team.team_id = membership.team_id
    GROUP BY membership.agent_id;

-- The tags that conversations carried at an instant, in order of name. A tag may have been put on twice, or taken off and
-- put on again; what counts is that it was on. `taggings` has `conversation_id`, `tag_id`, `attached_at` and `detached_at`,
-- `known` has `id` and `name`; a tagging may arrive before the tag it names, and the id is better than a gap.
CREATE TEMP MACRO tags_carried(taggings, known, moment) AS TABLE
    SELECT carried.conversation_id, list_sort(list(coalesce(known.name, carried.tag_id))) AS tag_names
    FROM (
        SELECT DISTINCT conversation_id, tag_id
        FROM query_table(taggings)
        WHERE attached_at < moment AND (detached_at IS NULL OR detached_at >= moment)
    ) AS carried
    LEFT JOIN query_table(known) AS known ON known.id = carried.tag_id
    GROUP BY carried.conversation_id;
