"""Alembic's entry: runs the revisions on the connection that ``store.migrate`` passes in, inside its transaction.

Each change of the schema is a revision of its own, which only adds and carries the data over. A released revision is
never edited.
"""

from __future__ import annotations

from alembic import context

from offtake.store.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    transactional_ddl=True,
)
with context.begin_transaction():
    context.run_migrations()
