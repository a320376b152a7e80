"""${message}"""

import sqlalchemy as sa
import sqlmodel
from alembic import op

from updp_core.store.migrations import no_way_back

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    no_way_back()
