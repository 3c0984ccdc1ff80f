"""Delta Sharing, read side: shared tables are saved export requests, and their finished exports are the versions."""
