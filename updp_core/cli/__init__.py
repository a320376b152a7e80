"""The command line: the Workbench's verbs, with JSON for programs (`--json`) and plain lines for people.

Exit code 0 where all went well or every failure is listed by record, 1 with a message on stderr where not, 2 for a
usage error. Nothing but the command's own output reaches stdout. Imports are light: models load inside commands.
"""

import typer

from updp_core.cli import lexicons, pairs, queue, releases, tools

app = typer.Typer(
    help="UPDP: chest radiographs and reports into a de-identified release.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
queue.register(app)
pairs.register(app)
app.add_typer(lexicons.app, name="lexicon")
releases.register(app)
tools.register(app)
