-- Posts that the brand published in the timespan, including those removed later.
SELECT
    brand_post.brand_post_id,
    brand_post.url,
    brand_post.body,
    brand_post.form,
    brand_post.network,
    brand_post.account_name,
    brand_post.campaign_id,
    campaign.name AS campaign_name,
    brand_post.tags,
    number_or_id(writer.number, brand_post.agent_id) AS agent_id,
    writer.name AS agent_name,
    writer.email AS agent_email,
    approver.name AS approving_agent_name,
    brand_post.created_at,
    brand_post.scheduled_at,
    brand_post.published_at,
    brand_post.status,
    brand_post.likes,
    brand_post.comments,
    brand_post.shares,
    brand_post.clicks,
    brand_post.impressions,
    brand_post.reach
FROM brand_post
LEFT JOIN campaign ON campaign.campaign_id = brand_post.campaign_id
LEFT JOIN agent AS writer ON writer.agent_id = brand_post.agent_id
LEFT JOIN agent AS approver ON approver.agent_id = brand_post.approving_agent_id
WHERE
    brand_post.published_at >= $start
    AND brand_post.published_at < $end
    AND chosen($campaign_ids, brand_post.campaign_id)
