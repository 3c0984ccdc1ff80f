"""Downloads: files arrive in blocks, and get their names when they are complete and match their manifest.

For each file of an export, a folder has ``NAME.partial`` with what has arrived and ``NAME.partial.json`` with the ETag,
the digest of the manifest and the bytes of each block, until ``NAME`` takes their place. ``EXPORT.manifest.json``
stays, so that ``verify`` can compare the files without a server.
"""
