-- The teams with their numbers of members. A source may provide the team of each agent, the memberships, or both.
SELECT team.team_id AS id, team.number, team.name, team.description, count(membership.agent_id) AS members
FROM team
LEFT JOIN (
    SELECT team_id, agent_id FROM team_member
    UNION
    SELECT team_id, agent_id FROM agent WHERE team_id IS NOT NULL
) AS membership ON membership.team_id = team.team_id
GROUP BY ALL
ORDER BY team.name, team.team_id
LIMIT $max_rows
