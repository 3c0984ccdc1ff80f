"""What operators do: tenants, credentials, jobs, workers, health."""
