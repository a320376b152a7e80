"""For `alembic revision --autogenerate` and `alembic check`: they compare the workspace in UPDP_HOME with the tables.

Workspaces are migrated by UPDP itself when it opens them, after it made a copy; `alembic upgrade` is refused.
"""

from alembic import context
from sqlmodel import SQLModel

from updp_core.config import Settings
from updp_core.errors import UpdpError
from updp_core.store import Store, migrations


def main() -> None:
    """Let the command look at the workspace. Raises UpdpError for one that would change it."""
    options = context._proxy.context_opts  # type: ignore[attr-defined]
    if "destination_rev" in options:
        if options["fn"].__name__ == "downgrade":
            migrations.no_way_back()
        raise UpdpError("UPDP migrates a workspace when it opens it: run any command of it, such as `updp doctor`.")
    store = Store(Settings.from_env().home)
    try:
        with store.read() as tx:
            context.configure(
                connection=tx.connection,
                target_metadata=SQLModel.metadata,
                include_object=migrations.is_ours,
                render_as_batch=True,
            )
            context.run_migrations()
    finally:
        store.close()


main()
