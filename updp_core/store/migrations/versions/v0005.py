"""Counts are kept of all that the queue is narrowed by, and what a lexicon forbids is written part by part."""

from alembic import op

from updp_core.store.migrations import no_way_back

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """The new tables are empty or derived, so they are made with the others."""
    op.execute("DROP TABLE IF EXISTS gate_count")


def downgrade() -> None:
    no_way_back()
