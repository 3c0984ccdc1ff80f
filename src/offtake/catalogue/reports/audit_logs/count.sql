SELECT
    (SELECT count(*) FROM audit_event WHERE happened_at >= $start AND happened_at < $end)
    + (SELECT count(*) FROM server_audit WHERE happened_at >= $start AND happened_at < $end)
