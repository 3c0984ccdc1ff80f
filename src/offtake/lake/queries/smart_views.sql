-- All smart views.
SELECT smart_view_id AS id, name, description
FROM smart_view
ORDER BY name, smart_view_id
LIMIT $max_rows
