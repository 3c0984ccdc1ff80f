"""Manifests: the files of an artifact, what an export was made of, and the progress of an attempt.

Jobs of the first schema keep their file: a published job without rows in ``artifact_file`` has the one file that its
own row names. Credentials of the first schema may export all data.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_JSON = sa.JSON().with_variant(postgresql.JSONB(astext_type=sa.Text()), "postgresql")
_JOB_COLUMNS = ("files", "report_version", "lake_versions", "phase", "rows_so_far", "held_by", "estimated_rows")


def upgrade() -> None:
    """Apply."""
    op.add_column("job", sa.Column("files", sa.Integer(), nullable=True))
    op.add_column("job", sa.Column("report_version", sa.String(length=64), nullable=True))
    op.add_column("job", sa.Column("lake_versions", _JSON, nullable=True))
    op.add_column("job", sa.Column("phase", sa.String(length=16), nullable=True))
    op.add_column("job", sa.Column("rows_so_far", sa.BigInteger(), nullable=True))
    op.add_column("job", sa.Column("held_by", sa.String(length=64), nullable=True))
    op.add_column("job", sa.Column("estimated_rows", sa.BigInteger(), nullable=True))
    op.add_column("credential", sa.Column("reports", sa.Text(), nullable=True))
    op.add_column("credential", sa.Column("personal", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_table(
        "artifact_file",
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("blocks", _JSON, nullable=False),
        sa.Column("first_key", _JSON, nullable=True),
        sa.Column("last_key", _JSON, nullable=True),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name=op.f("fk_artifact_file_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", "number", name=op.f("pk_artifact_file")),
    )
    op.create_table(
        "manifest",
        sa.Column("job", sa.String(length=36), nullable=False),
        sa.Column("document", _JSON, nullable=False),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name=op.f("fk_manifest_job"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job", name=op.f("pk_manifest")),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("manifest")
    op.drop_table("artifact_file")
    for name in _JOB_COLUMNS:
        op.drop_column("job", name)
    op.drop_column("credential", "personal")
    op.drop_column("credential", "reports")
