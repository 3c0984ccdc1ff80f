"""Who a caller is and what the caller may do: clients, tokens, passwords, authorization, rate limit."""
