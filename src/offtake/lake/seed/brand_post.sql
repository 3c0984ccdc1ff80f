-- Posts that the brand publishes: one for every twenty-fifth call, in the same hour. Most are drafted days before they
-- appear, often in another month. A post due after the last day has not appeared.
WITH with_rolls AS (
    SELECT n // 25 AS k, micros, rolls('brand post', n // 25) AS ab, rolls('brand post people', n // 25) AS cd
    FROM numbered
    WHERE n % 25 = 0
),
rolled AS (
    SELECT * EXCLUDE (ab, cd), low(ab) AS a, high(ab) AS b, low(cd) AS c, high(cd) AS d FROM with_rolls
),
planned AS (
    SELECT
        *,
        CASE
            WHEN k < 5 THEN ['PUBLISHED', 'DRAFT', 'SCHEDULED', 'FAILED', 'DELETED'][1 + k]  -- each status at least once
            WHEN uniform(a, 0, 100) < 76 THEN 'PUBLISHED'
            WHEN uniform(a, 0, 100) < 83 THEN 'DRAFT'
            WHEN uniform(a, 0, 100) < 90 THEN 'SCHEDULED'
            WHEN uniform(a, 0, 100) < 96 THEN 'FAILED'
            ELSE 'DELETED'
        END AS status,
        status IN ('PUBLISHED', 'DELETED') AS appeared,
        status = 'FAILED' OR appeared AND uniform(a, 1, 5) > 0 AS was_planned,
        ['facebook', 'twitter', 'instagram', 'linkedin'][1 + uniform(a, 2, 4)] AS network,
        micros + 60000000 * uniform(b, 0, 60) AS due,  -- posts are planned in whole minutes
        due + 1000 * uniform(b, 1, 59000) AS appears,
        -- From one minute to three weeks before it is due.
        60000000 * (1 + CASE WHEN uniform(b, 2, 3) = 0 THEN uniform(b, 3, 30) ELSE uniform(b, 3, 30240) END) AS lead,
        uniform(c, 0, len(getvariable('agent_ids'))) AS writer,
        1000 + 7 * uniform(c, 3, 65536) AS people
    FROM rolled
)
SELECT
    id_of('brand post', k) AS brand_post_id,
    at_micros(CASE WHEN status IN ('DRAFT', 'SCHEDULED') THEN appears ELSE due - lead END) AS created_at,
    CASE
        WHEN status = 'SCHEDULED' THEN at_micros(getvariable('ends_at') + lead)
        WHEN was_planned THEN at_micros(due)
    END AS scheduled_at,
    CASE WHEN appeared THEN at_micros(appears) END AS published_at,
    status,
    CASE WHEN appeared AND uniform(a, 3, 12) > 0 THEN 'https://' || network || '.example/brand/' || (9000000 + k) END AS url,
    CASE WHEN uniform(c, 1, 30) > 0 THEN ['status', 'photo', 'video', 'story'][1 + uniform(c, 2, 4)] END AS form,
    CASE WHEN form IS DISTINCT FROM 'story' THEN word(getvariable('messages'), c, 3) END AS body,
    network,
    CASE WHEN uniform(d, 0, 15) > 0 THEN ['@brand', 'Brand, "official"', 'ブランド'][1 + uniform(d, 1, 3)] END AS account_name,
    CASE WHEN uniform(d, 2, 4) > 0 THEN word(getvariable('campaign_ids'), d, 3) END AS campaign_id,
    CASE uniform(d, 3, 5) WHEN 0 THEN ['launch'] WHEN 1 THEN ['sale', 'Sommer, "2026"', E'two\nlines'] WHEN 2 THEN [] END AS tags,
    CASE WHEN uniform(d, 0, 11) > 0 THEN getvariable('agent_ids')[1 + writer] END AS agent_id,
    -- Authors do not approve their own posts.
    CASE
        WHEN status <> 'DRAFT' AND uniform(d, 1, 3) > 0
            THEN getvariable('agent_ids')[1 + (writer + 1 + uniform(c, 1, len(getvariable('agent_ids')) - 1)) % len(getvariable('agent_ids'))]
    END AS approving_agent_id,
    CASE WHEN appeared THEN uniform(b, 1, 900) END AS likes,
    CASE WHEN appeared AND form <> 'story' THEN uniform(b, 2, 60) END AS comments,
    CASE WHEN appeared AND network <> 'instagram' THEN uniform(b, 3, 90) END AS shares,
    CASE WHEN appeared AND network <> 'instagram' THEN uniform(b, 0, 400) END AS clicks,
    CASE WHEN appeared THEN people + uniform(c, 2, 5000) END AS impressions,
    CASE WHEN appeared AND network <> 'twitter' THEN people END AS reach,
    strftime(created_at, '%Y-%m') AS month
FROM planned
