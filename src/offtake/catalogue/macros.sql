-- Words for the reports, the same in the check at the start and in every attempt.

-- Whether a filter lets a value through: one that is off (null) lets everything through.
CREATE TEMP MACRO chosen(wanted, value) AS
    CAST(wanted AS VARCHAR[]) IS NULL OR coalesce(list_contains(CAST(wanted AS VARCHAR[]), CAST(value AS VARCHAR)), false);

-- The same for a row that has several values: one of them is enough.
CREATE TEMP MACRO chosen_any(wanted, held) AS
    CAST(wanted AS VARCHAR[]) IS NULL OR coalesce(list_has_any(CAST(wanted AS VARCHAR[]), CAST(held AS VARCHAR[])), false);

-- What a filter calls something that may have a short number: the number, or else the id.
CREATE TEMP MACRO number_or_id(number, id) AS coalesce(CAST(number AS VARCHAR), id);

-- Whether the part that is being made has what belongs to a key. An attempt that has only one part reads without it.
CREATE TEMP MACRO in_part(key) AS
    coalesce(CAST(getvariable('parts') AS UBIGINT), 1) = 1
    OR hash(key) % CAST(getvariable('parts') AS UBIGINT) = CAST(getvariable('part') AS UBIGINT);

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
