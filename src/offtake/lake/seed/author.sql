-- Authors. Two consecutive authors belong to one customer; one author in four has no known customer.
WITH with_rolls AS (
    SELECT
        number AS i, network_of(number) AS network, roll('author', number) AS a, roll('author text', number) AS b
    FROM range(getvariable('authors')) AS counted (number)
)
SELECT
    id_of('author', i) AS author_id,
    CASE WHEN i % 29 <> 28 THEN 500001 + i END AS number,
    CASE WHEN i // 2 % 4 <> 3 THEN id_of('person', i // 2) END AS person_id,
    CASE WHEN i % 19 <> 18 THEN word(getvariable('given'), b, 0) || ' ' || word(getvariable('family'), b, 1) END AS name,
    CASE network
        WHEN 'email' THEN 'customer.' || (i // 2) || '@example.com'
        WHEN 'chat' THEN NULL
        ELSE '@' || ['user', 'lucky', 'мир', '名無し', '=x'][1 + uniform(b, 2, 5)] || '_' || i
    END AS screen_name,
    network,
    instance_of(i) AS network_instance,
    CASE WHEN network <> 'email' THEN network[1:2] || (7000000 + 13 * i) END AS network_author_id,
    CASE WHEN network NOT IN ('email', 'chat') THEN 'https://' || network || '.example/' || (7000000 + 13 * i) END AS profile_url,
    CASE uniform(b, 3, 6) WHEN 0 THEN ['VIP'] WHEN 1 THEN ['influencer', 'press, "local"'] WHEN 2 THEN [] END AS tags,
    CASE WHEN uniform(a, 3, 10) > 0 THEN greatest(0, uniform(a, 3, 10) - 6) END AS notes_count
FROM with_rolls
