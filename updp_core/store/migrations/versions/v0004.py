"""The tables as of UPDP 0.7.0: where Alembic begins."""

from updp_core.store.migrations import no_way_back

revision = "0004"
down_revision = None


def upgrade() -> None:
    """A workspace of version 4 has them."""


def downgrade() -> None:
    no_way_back()
