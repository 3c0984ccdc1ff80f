"""Cases of reports: rows in, a request, rows out. ``docs/reference/report-folder.md`` describes their files."""
