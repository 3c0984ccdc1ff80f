"""The store: jobs, tenants, credentials, tokens and the audit log, in SQLite or PostgreSQL, as SQLAlchemy Core."""
