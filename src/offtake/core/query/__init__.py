"""What the query of a report finds in its session, for attempts, previews and cases."""
