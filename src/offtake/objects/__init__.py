"""Object storage: S3, Google Cloud Storage and Azure Blob Storage, by URL, through one client.

Used by artifacts and lake. Parses URLs, builds the options of both clients, uploads and reads files, and translates the
clients' errors.
"""
