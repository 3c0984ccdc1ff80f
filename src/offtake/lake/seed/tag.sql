-- Tags. Two tags have the same name; only the id distinguishes them.
SELECT id_of('tag', number) AS tag_id, getvariable('tag_names')[1 + number] AS name
FROM range(len(getvariable('tag_names'))) AS counted (number)
