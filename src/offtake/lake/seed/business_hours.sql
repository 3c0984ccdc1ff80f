-- Business hours: Monday to Friday from 8 to 19, as in the calls; Wednesday consists of two adjacent intervals.
SELECT CAST(day AS VARCHAR) AS weekday, opens, closes
FROM range(1, 6) AS week (day), (VALUES ('08:00', '19:00', false), ('08:00', '13:00', true), ('13:00', '19:00', true)) AS piece (opens, closes, halved)
WHERE halved = (day = 3)
