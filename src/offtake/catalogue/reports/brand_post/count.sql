SELECT count(*)
FROM brand_post
WHERE published_at >= $start AND published_at < $end
    AND chosen($campaign_ids, campaign_id)
