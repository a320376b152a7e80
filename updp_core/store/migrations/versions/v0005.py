"""Counts are kept of all that the queue is narrowed by: the table of gates' counts goes, and two are made anew."""

from alembic import op

from updp_core.store.migrations import no_way_back

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The new tables are derived, so they are made with the others."""
    op.execute("DROP TABLE IF EXISTS gate_count")


def downgrade() -> None:
    no_way_back()
