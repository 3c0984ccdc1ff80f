"""One attempt of a job: run, partitions, filters, verification, outcome and cancellation."""
