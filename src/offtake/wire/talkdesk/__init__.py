"""Talkdesk Explore report jobs (the Talkdesk contract): JSON over HTTP, OAuth tokens, redirects to the file."""
