-- Posts of conversations: incoming posts, responses and comments.
WITH source_step AS (
    SELECT
        conversation_event.*, conversation_plan.network, conversation_plan.author, conversation_plan.a AS thread_dice, roll('post', conversation_event.k || '/' || conversation_event.step) AS p,
        CASE conversation_event.what WHEN 'incoming' THEN 'incoming' WHEN 'RESPONDED' THEN 'response' ELSE 'comment' END AS kind
    FROM conversation_event JOIN conversation_plan ON conversation_plan.k = conversation_event.k
    WHERE conversation_event.is_post
)
SELECT
    id_of('post', k || '/' || step) AS post_id,
    id_of('conversation', k) AS conversation_id,
    kind,
    at_micros(micros) AS happened_at,
    CASE WHEN kind <> 'comment' THEN 1000000 + 20 * k + step END AS number,
    -- Incoming posts are published before they are received; outgoing ones after they are sent.
    CASE
        WHEN kind = 'comment' OR is_failed OR network IN ('email', 'chat') THEN NULL
        WHEN kind = 'incoming' THEN at_micros(micros - 1000 * uniform(p, 0, 60000))
        ELSE at_micros(micros + 1000 * (100 + uniform(p, 0, 20000)))
    END AS published_at,
    CASE WHEN published_at IS NOT NULL AND uniform(p, 1, 10) > 0 THEN 'https://' || network || '.example/p/' || post_id END AS url,
    CASE
        WHEN kind = 'comment' THEN 'note'
        WHEN network = 'email' THEN 'email'
        WHEN network = 'chat' THEN 'chat_message'
        WHEN uniform(thread_dice, 3, 3) = 0 THEN 'direct_message'
        WHEN network = 'twitter' THEN 'tweet'
        ELSE 'comment'
    END AS form,
    CASE WHEN network = 'email' AND kind <> 'comment' THEN word(getvariable('subjects'), roll('subject', k), 0) END AS title,
    CASE
        WHEN kind = 'comment' THEN word(getvariable('notes'), p, 2)
        WHEN uniform(p, 3, 40) > 0 THEN word(getvariable('messages'), p, 2)
    END AS body,
    CASE WHEN kind <> 'comment' THEN ['en', 'en', 'pt', 'ja', 'ru', 'ar', 'he', NULL][1 + uniform(p, 2, 8)] END AS language,
    CASE WHEN answers IS NOT NULL THEN id_of('post', k || '/' || answers) END AS in_reply_to_post_id,
    CASE WHEN uniform(p, 3, 30) <> 1 THEN form IN ('note', 'email', 'chat_message', 'direct_message') END AS is_private,
    CASE WHEN kind = 'incoming' THEN published_at IS NOT NULL AND uniform(p, 1, 25) = 0 END AS is_source_deleted,
    CASE uniform(p, 0, 9) WHEN 0 THEN ['question'] WHEN 1 THEN ['praise', 'press, "local"'] WHEN 2 THEN [] END AS tags,
    CASE WHEN kind = 'incoming' THEN ['positive', 'neutral', 'negative', NULL][1 + uniform(p, 1, 4)] END AS sentiment,
    CASE WHEN kind = 'incoming' THEN CASE WHEN network = 'email' THEN 'imap' ELSE ['api', 'webhook', 'import'][1 + uniform(p, 1, 3)] END END AS ingest_method,
    CASE WHEN kind = 'incoming' THEN id_of('author', author) END AS author_id,
    getvariable('agent_ids')[1 + agent] AS agent_id,
    getvariable('team_ids')[1 + team] AS team_id,
    CASE WHEN kind = 'response' THEN CASE WHEN is_failed THEN 'failed' WHEN uniform(p, 3, 50) = 2 THEN 'deleted' ELSE 'sent' END END AS delivery,
    strftime(happened_at, '%Y-%m') AS month
FROM source_step
