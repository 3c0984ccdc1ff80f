"""The engine: turns a report and a request into SQL with bound values, and runs it over one tenant's files."""
