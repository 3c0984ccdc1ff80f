-- Monday to Friday from eight to seven, as the calls have it; Wednesday is written as two pieces that touch.
SELECT CAST(day AS VARCHAR) AS weekday, opens, closes
FROM range(1, 6) AS week (day), (VALUES ('08:00', '19:00', false), ('08:00', '13:00', true), ('13:00', '19:00', true)) AS piece (opens, closes, halved)
WHERE halved = (day = 3)
