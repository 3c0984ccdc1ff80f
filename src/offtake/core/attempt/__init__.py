"""One attempt at a job: run, partitions, filters, verification, outcome, cancellation."""
