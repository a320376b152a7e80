"""What every command shares: options, a clean stdout, errors as messages, the last line of JSON."""

from __future__ import annotations

import contextlib
import functools
import getpass
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO, TypeVar, cast

import typer

from updp_core.config import Settings
from updp_core.domain import ROLES, STEERING, Actor
from updp_core.errors import UpdpError, kind_and_place, told

if TYPE_CHECKING:
    from updp_core.workbench import Workbench
    from updp_core.workbench.shapes import Progress

Home = Annotated[Path | None, typer.Option("--home", help="The workspace [default: UPDP_HOME or workspace/].")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
RoleOption = Annotated[str, typer.Option("--role", help=f"The role to act in: {', '.join(ROLES)}.")]
Who = Annotated[str, typer.Option("--actor", help="Who acts [default: the signed-in user of this computer].")]

F = TypeVar("F", bound=Callable[..., Any])
_out: TextIO | None = None


def command(function: F) -> F:
    """A command whose errors become messages and exit code 1, and whose libraries cannot write to stdout."""

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        with _own_stdout():
            try:
                return function(*args, **kwargs)
            except UpdpError as error:
                typer.echo(f"Error: {plain(str(error))}", err=True)
                raise typer.Exit(1) from None
            except (typer.Exit, typer.Abort, typer.BadParameter, KeyboardInterrupt):
                raise
            except Exception as error:  # its message may hold patient text: tell the kind and the place only
                if os.environ.get("UPDP_DEBUG") == "1":
                    traceback.print_exc()
                words = told(error, "This could not be done") + " " if isinstance(error, OSError) else ""
                typer.echo(
                    f"Error: {words}unexpected {kind_and_place(error)}. "
                    "Set UPDP_DEBUG=1 to see the traceback, which may hold patient text.",
                    err=True,
                )
                raise typer.Exit(1) from None

    return cast(F, checked)


@contextlib.contextmanager
def _own_stdout() -> Iterator[None]:
    """Keep stdout for `say`: what anything else writes there, native libraries included, goes to stderr."""
    global _out
    if _out is not None:  # a command that another one calls
        yield
        return
    real = sys.stdout
    real.flush()
    with contextlib.ExitStack() as stack:
        try:
            number = real.fileno()
            kept = os.dup(number)
            os.dup2(sys.stderr.fileno(), number)
        except (OSError, ValueError, AttributeError):  # a test's buffer has no descriptor
            _out = real
        else:
            _out = stack.enter_context(os.fdopen(kept, "w", encoding="utf-8", errors="backslashreplace"))
            stack.callback(os.dup2, kept, number)
            stack.callback(_out.flush)
        sys.stdout = sys.stderr
        try:
            yield
        finally:
            sys.stdout = real
            _out.flush()
            _out = None


def plain(text: str) -> str:
    """A line as it may go to a terminal: signs that would steer it are shown, not sent."""
    return STEERING.sub(lambda sign: repr(sign[0])[1:-1], text)


def say(text: str) -> None:
    """One line on stdout, at once."""
    print(plain(text), file=_out or sys.stdout, flush=True)


def result(data: Mapping[str, Any], as_json: bool, lines: Iterable[str] = ()) -> None:
    """The command's outcome: JSON for a program, else lines for a person."""
    if as_json:
        say(json.dumps(data, ensure_ascii=False, allow_nan=False))
    else:
        for line in lines:
            say(line)


def settings(home: Path | None = None, **overrides: Any) -> Settings:
    """The settings of this command: UPDP_* variables, then options."""
    return Settings.from_env(home=home, **overrides)


@contextlib.contextmanager
def opened(home: Path | None, **overrides: Any) -> Iterator[Workbench]:
    """The Workbench of the workspace, closed at the end."""
    from updp_core.workbench import Workbench

    bench = Workbench.open(settings(home, **overrides))
    try:
        yield bench
    finally:
        bench.close()


def actor(name: str, role: str) -> Actor:
    """Who acts. A usage error where the role does not exist."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role!r} is not one of: {', '.join(ROLES)}.", param_hint="--role")
    if not name:
        try:
            name = getpass.getuser()
        except (OSError, KeyError):
            name = "operator"
    return Actor(name, role)


def one_of(value: str | None, choices: Iterable[str], hint: str) -> None:
    """A usage error where `value` is none of the choices."""
    if value is not None and value not in choices:
        raise typer.BadParameter(f"{value!r} is not one of: {', '.join(choices)}.", param_hint=hint)


def pairs(items: Iterable[str], hint: str) -> dict[str, Any]:
    """KEY=VALUE options as a mapping; values are JSON where they can be, else text."""
    found: dict[str, Any] = {}
    for item in items:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise typer.BadParameter(f"{item!r} is not KEY=VALUE.", param_hint=hint)
        try:
            found[key] = json.loads(value)
        except ValueError:
            found[key] = value
    return found


def follow(steps: Iterable[Progress]) -> dict[str, Any]:
    """Show a long verb's progress on stderr (where somebody is looking); its result."""
    looking = sys.stderr.isatty()
    outcome: dict[str, Any] = {}
    for step in steps:
        if looking:
            part = f"{step.done}/{step.total}" if step.total else str(step.done)
            print(f"\r\033[K{step.stage} {part} {plain(step.message)}", end="", file=sys.stderr, flush=True)
        outcome = step.result if step.result is not None else outcome
    if looking:
        print("\r\033[K", end="", file=sys.stderr, flush=True)
    return outcome
