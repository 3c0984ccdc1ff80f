"""Object storage: S3, Google Cloud Storage and Azure Blob Storage, by URL, through one client.

Artifacts and lake both stand on it. Here live what a URL means, which options go to which client, how a file is sent
and read, and how the clients' errors become ours.
"""
