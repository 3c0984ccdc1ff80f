-- Campaigns.
SELECT
    getvariable('campaign_ids')[1 + number] AS campaign_id,
    getvariable('campaign_names')[1 + number] AS name
FROM range(len(getvariable('campaign_names'))) AS numbered (number)
