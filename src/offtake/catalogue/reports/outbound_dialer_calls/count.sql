SELECT count(*)
FROM dialer_call
WHERE ended_at >= $start AND ended_at < $end
