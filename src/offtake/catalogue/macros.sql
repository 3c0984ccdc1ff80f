-- Macros for the SQL of reports, the same in the check at the start and in every attempt.

-- Whether a value passes a filter. If the filter is off (null), every value passes.
CREATE TEMP MACRO chosen(accepted, value) AS
    CAST(accepted AS VARCHAR[]) IS NULL OR coalesce(list_contains(CAST(accepted AS VARCHAR[]), CAST(value AS VARCHAR)), false);

-- The same for a row that has several values, of which one must pass.
CREATE TEMP MACRO chosen_any(accepted, list_of_values) AS
    CAST(accepted AS VARCHAR[]) IS NULL OR coalesce(list_has_any(CAST(accepted AS VARCHAR[]), CAST(list_of_values AS VARCHAR[])), false);

-- The identifier in files and filters of something that may have a short number: the number, or else the id. Pass the id
-- that the fact has, because a row that the lake does not have yet has no number and is identified by its id.
CREATE TEMP MACRO number_or_id(number, id) AS coalesce(CAST(number AS VARCHAR), id);

-- Whether a key belongs to the partition of the current query. With one partition, every key does.
CREATE TEMP MACRO in_partition(key) AS
    coalesce(CAST(getvariable('partitions') AS UBIGINT), 1) = 1
    OR hash(key) % CAST(getvariable('partitions') AS UBIGINT) = CAST(getvariable('partition') AS UBIGINT);

-- The same for the bucket that files store (docs/reference/lake.md); `in_partition` is replaced by it where they do. A
-- row without one, which an outer join has made, is in the first partition.
CREATE TEMP MACRO first_bucket(partition) AS
    coalesce(CAST(partition AS BIGINT), 0) * 65536 // coalesce(CAST(getvariable('partitions') AS BIGINT), 1);
CREATE TEMP MACRO in_buckets(bucket) AS
    bucket >= first_bucket(getvariable('partition'))
    AND bucket < first_bucket(coalesce(getvariable('partition'), 0) + 1)
    OR first_bucket(getvariable('partition')) = 0 AND bucket IS NULL;

-- Elapsed time between two instants in whole units, truncated; negative if `later` is the earlier one.
CREATE TEMP MACRO seconds_between(earlier, later) AS CAST(trunc((epoch_us(later) - epoch_us(earlier)) / 1000000) AS BIGINT);
CREATE TEMP MACRO milliseconds_between(earlier, later) AS CAST(trunc((epoch_us(later) - epoch_us(earlier)) / 1000) AS BIGINT);

-- A mean in whole seconds, a half rounded up; null if nothing was counted. `total` is a sum that is not negative, and
-- `units` the number of its units per second times the number of its terms.
CREATE TEMP MACRO rounded_seconds(total, units) AS
    CAST((2 * CAST(total AS HUGEINT) + CAST(units AS HUGEINT)) // nullif(2 * CAST(units AS HUGEINT), 0) AS BIGINT);

-- Whether an instant is within the account's business hours. The engine sets the variables from the tables business_hours
-- and holiday, in the account's zone: a flag for each minute of the week from Monday on, and the holidays. An account
-- without business hours is always open except on its holidays.
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

-- Whether an instant passes the filter by business hours (inside, outside, or null for off).
CREATE TEMP MACRO fits_business_hours(side, moment) AS
    side IS NULL OR in_business_hours(moment) = (CAST(side AS VARCHAR) = 'inside');

-- The instant of a midnight on the clocks of a zone. If a midnight occurs twice (Havana, in November), DuckDB takes the
-- second instant and this macro the first: the one with the offset of the day before. If the clocks changed in between,
-- that offset does not give midnight, and DuckDB's instant is right. A midnight that does not exist is the instant of the
-- change, so the day begins an hour late.
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

-- The macros below return tables. Their arguments are names of common table expressions of the query, which must have the
-- columns that the comment of the macro lists.

-- Lists of ids with the names of their entries, in the order of each list. `lists` has `ids`, each list once: millions
-- of rows share thousands of lists, so names are looked up once per list. `named` has `id` and `name`. An id that is not
-- in `named`, because the fact arrived first, is shown as the id.
CREATE TEMP MACRO named_lists(lists, named) AS TABLE
    SELECT entry.ids, list(coalesce(named.name, entry.id) ORDER BY entry.position) AS names
    FROM (
        SELECT ids, unnest(ids) AS id, generate_subscripts(ids, 1) AS position
        FROM query_table(lists)
    ) AS entry
    LEFT JOIN query_table(named) AS named ON named.id = entry.id
    GROUP BY entry.ids;

-- The teams of each agent that has any, sorted by name: `team_names`, and `team_ids` as in files and filters. A source
-- may provide the team of each agent (`own`: `agent_id`, `team_id`), the memberships (`memberships`: the same columns),
-- or both. `named` has `team_id`, `number` and `name`.
CREATE TEMP MACRO teams_of_agents(own, memberships, named) AS TABLE
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
        SELECT agent_id, team_id FROM query_table(memberships)
        UNION
        SELECT agent_id, team_id FROM query_table(own) WHERE team_id IS NOT NULL
    ) AS membership
    LEFT JOIN query_table(named) AS team ON team.team_id = membership.team_id
    GROUP BY membership.agent_id;

-- The tags that were attached to conversations at an instant, sorted by name. A tag that was attached several times
-- counts once. `taggings` has `conversation_id`, `tag_id`, `attached_at` and `detached_at`; `named` has `id` and `name`.
-- A tag that is not in `named`, because the tagging arrived first, is shown as its id.
CREATE TEMP MACRO attached_tags(taggings, named, moment) AS TABLE
    SELECT attached.conversation_id, list_sort(list(coalesce(named.name, attached.tag_id))) AS tag_names
    FROM (
        SELECT DISTINCT conversation_id, tag_id
        FROM query_table(taggings)
        WHERE attached_at < moment AND (detached_at IS NULL OR detached_at >= moment)
    ) AS attached
    LEFT JOIN query_table(named) AS named ON named.id = attached.tag_id
    GROUP BY attached.conversation_id;
