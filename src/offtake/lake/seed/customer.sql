-- Customers: the people behind the authors. Some e-mail addresses contain capital letters.
WITH with_rolls AS (
    SELECT number, roll('customer', number) AS dice FROM range(1 + (getvariable('authors') - 1) // 2) AS counted (number)
)
SELECT
    id_of('customer', number) AS customer_id,
    CASE WHEN number % 6 = 5 THEN 'Customer.' || number || '+News@Example.COM' ELSE 'customer.' || number || '@example.com' END AS email,
    CASE WHEN uniform(dice, 2, 8) > 0 THEN word(getvariable('given'), dice, 0) || ' ' || word(getvariable('family'), dice, 1) END AS name
FROM with_rolls
