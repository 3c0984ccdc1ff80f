"""Authentication and authorization: clients, tokens, passwords, scopes, impersonation and rate limits."""
