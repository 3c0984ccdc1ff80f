"""The executor: processes that lease jobs and run attempts. No business rule lives here."""
