"""What every page is: a title, parts that are built once, and handlers that answer with updates of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ui.shell import Shell, Updates


class Page:
    """One tab. Built inside it; the app calls `look`, `on_role` and `tick`, which may write to `shown`."""

    title: ClassVar[str]
    key: ClassVar[str]
    at_once: ClassVar[bool] = False
    """Whether `on_role` is called when the app opens as well, because something must stand there before a click."""

    demo_only: ClassVar[bool] = False
    """Whether it stands on a public demonstration alone, and there before the others."""

    look: Callable[..., Updates]
    """(actor, screen, *inputs): the page has been opened."""
    on_role: Callable[..., Updates] | None = None
    """The same: somebody else acts now, or the same person in another role. `look` where a page has none."""
    tick: Callable[..., Updates] | None = None
    """The same: the workspace has changed behind the reader's back; what of this page must follow."""

    def __init__(self, shell: Shell) -> None:
        self.shell, self.bench = shell, shell.workbench
        self.inputs: Sequence[Any] = ()
        self.shown: Sequence[Any] = ()
