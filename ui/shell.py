"""What every page shares: who acts, the message line, what is on the reader's screen, and how an event is wired.

An event calls a handler with the Actor behind it and plain values, and the handler answers with updates, component by
component. `Shell.on` is the one way to wire it: it finds the actor, reads the screen, and turns an error into the
message line. `Shell.part` is the one way to make a piece of HTML.
"""

from __future__ import annotations

import inspect
import json
import logging
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from markupsafe import Markup

from ui import show
from ui.background import Background
from ui.door.session import ROLE_NAMES, Session
from updp_core.config import Settings
from updp_core.domain import Actor
from updp_core.errors import UpdpError, UsageError, kind_and_place, told
from updp_core.workbench import Workbench

LOG = logging.getLogger("updp")
Updates = dict[Any, Any]
"""Component -> its new value, or a gr.update."""
QUICK: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
"""An event that answers at once, past the queue of model work."""
LONG: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_id": "model"}
"""An event that may take minutes; one at a time."""
STREAM: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private", "concurrency_limit": 2}
"""An event that tells of its progress and needs no model; two at a time."""
ASK = "(screen, ...rest) => [JSON.stringify(window.updp?.ask?.() ?? null), ...rest]"
"""Fills an event's first input with what is on the reader's screen at that moment."""


GIVE_JS = 'watch("value", () => setTimeout(() => element.querySelector("a[download]")?.click()));'


def typed_js(fields: str) -> str:
    """For a part's js_on_load: triggers "typed" when what stands in `fields` (a selector) has changed.

    Gradio's own `input` tells of key presses only; pasting and deleting change a field too. What is typed is told after
    a short pause, and at once when the field is left: before another pair or list takes its place.
    """
    return """
let waiting = 0;
const typed = () => { clearTimeout(waiting); waiting = 0; trigger("typed", {}); };
const ours = (e) => e.target.closest?.("FIELDS");
const later = () => { clearTimeout(waiting); waiting = setTimeout(typed, 500); };
document.addEventListener("input", (e) => { if (ours(e)) later(); });
document.addEventListener("focusout", (e) => { if (ours(e) && waiting) typed(); });
""".replace("FIELDS", fields)


@dataclass(frozen=True)
class Screen:
    """What the browser says of the reader's screen.

    `record` is the pair that was opened last, `shown` the one whose images have arrived: {record, candidate, revision}.
    `looking` is a version that is looked at beside the original and not the current one.
    `parts` maps the id of a part of the page to the key of what stands in it.
    """

    record: str = ""
    shown: Mapping[str, Any] | None = None
    parts: Mapping[str, str] = field(default_factory=dict)
    looking: int | None = None

    @classmethod
    def read(cls, text: str | None) -> Screen:
        """From the JSON that the page's script writes; nothing where there is none."""
        said = json.loads(text or "null") or {}
        return cls(str(said.get("asked") or ""), said.get("shown"), said.get("parts") or {}, said.get("looking"))

    def opened(self) -> str:
        """The record that is open, whether or not its images have arrived."""
        if not self.record:
            raise UsageError("Open a pair first.")
        return self.record

    def pair(self) -> Mapping[str, Any]:
        """The pair whose images the reader sees; a verdict without one is refused."""
        if self.looking:
            raise UsageError(
                f"Version {self.looking} is looked at, not the current one. Enter makes it current, Esc goes back; "
                "then decide."
            )
        if not self.shown:
            raise UsageError("Wait until the images of this pair are on the screen, then decide.")
        return self.shown


class Shell:
    """Handed to each page. The app puts `role`, `message` and `screen` where they belong."""

    def __init__(self, session: Session, settings: Settings, background: Background) -> None:
        self.session, self.settings, self.background = session, settings, background
        self._live: set[gr.HTML] = set()
        self.role = gr.Dropdown(
            [(label, key) for key, label in ROLE_NAMES.items()],
            value="radiologist",
            label="Acting as",
            show_label=False,
            container=False,
            elem_id="role",
            min_width=150,
            scale=0,
            visible="hidden" if session.signed else True,
            filterable=False,
            render=False,
        )
        self.message = self.part(elem_id="say", render=False)
        self.gift = self.part(elem_id="gift", js=GIVE_JS, render=False)
        self.screen = gr.Textbox(visible="hidden", elem_id="asked", label="asked", render=False)

    @property
    def workbench(self) -> Workbench:
        return self.session.workbench

    def actor(self, request: gr.Request, role: str) -> Actor:
        """Who is behind a request. Raises NotAllowed for somebody who is signed out."""
        return self.session.actor(request, role)

    def say(self, text: str, kind: str = "ok") -> Updates:
        """An update of the message line alone."""
        return {self.message: show.message(text, kind)}

    def give(self, actor: Actor, name: str, kind: str, pieces: Iterable[str | bytes]) -> Updates:
        """An update by which the person's browser saves a file, made of `pieces` as it is fetched."""
        person = actor.name if self.session.signed else None
        address = self.session.downloads.offer(person, name, kind, pieces)
        return {self.gift: show.render("gift.html", address=address, name=name)}

    def part(self, value: str = "", js: str | None = None, live: bool = False, **more: Any) -> gr.HTML:
        """A piece of the page; `js` runs once, with `element`, `trigger` and `watch`.

        With `live` it is one that the clock keeps up to date: it then carries the key of what stands in it.
        """
        made = gr.HTML(value, apply_default_css=False, js_on_load=js, **more)
        if live:
            self._live.add(made)
        return made

    def on(
        self,
        event: Callable[..., Any],
        handler: Callable[..., Any],
        inputs: Sequence[Any] = (),
        outputs: Sequence[Any] = (),
        *,
        tells: Sequence[str] = (),
        how: Mapping[str, Any] = QUICK,
        quiet: bool = False,
        **more: Any,
    ) -> Any:
        """Wire an event. The handler gets the actor, what the event tells (the fields `tells` of its data), the Screen
        where `self.screen` is the first input, and the values of the other inputs.

        It returns updates, or yields them where it takes longer; its errors come on the message line. What was said
        before goes with the next thing that somebody does; `quiet` is an event that nobody has set off by hand.
        Returns Gradio's dependency, so that a script can follow with `.then`.
        """
        asks = bool(inputs) and inputs[0] is self.screen
        given = [self.screen, self.role, *inputs[1:]] if asks else [self.role, *inputs]
        call = self._called(handler, asks, tuple(tells), quiet)
        shown = list(dict.fromkeys([*outputs, self.message, self.gift]))
        return event(call, given, shown, **{**how, **({"js": ASK} if asks else {}), **more})

    def answer(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """The handler with its errors turned into the message line."""

        def once(*given: Any) -> Updates:
            try:
                return dict(handler(*given) or {})
            except Exception as error:
                return self._trouble(error, handler)

        def in_steps(*given: Any) -> Iterator[Updates]:
            try:
                yield from handler(*given)
            except Exception as error:
                yield self._trouble(error, handler)

        return in_steps if inspect.isgeneratorfunction(handler) else once

    def fresh(self, updates: Updates, screen: Screen) -> Updates:
        """Of updates of live parts those that change what stands on the reader's screen."""
        there = screen.parts
        return {c: v for c, v in updates.items() if c not in self._live or _key(v) != there.get(c.elem_id, "")}

    def _trouble(self, error: Exception, handler: Any) -> Updates:
        if isinstance(error, UpdpError):
            return self.say(str(error), "stop")
        # The text of an unforeseen error may hold patient data: the page gets a remedy, the log the place.
        name = getattr(handler, "__qualname__", type(handler).__name__)
        kind = kind_and_place(error)
        LOG.error("a handler failed: %s, %s", name, kind, exc_info=LOG.isEnabledFor(logging.DEBUG))
        if isinstance(error, OSError):
            return self.say(told(error, "This could not be done"), "stop")
        return self.say("Something went wrong. Reload the page; if it happens again, tell the engineer.", "stop")

    def _called(
        self, handler: Callable[..., Any], asks: bool, fields: tuple[str, ...], quiet: bool
    ) -> Callable[..., Any]:
        """What Gradio calls: a function of the request and, where the event tells something, of its data."""

        def arguments(request: gr.Request, data: Mapping[str, Any], given: tuple[Any, ...]) -> list[Any]:
            screen = [Screen.read(given[0])] if asks else []
            role, *values = given[len(screen) :]
            return [self.actor(request, role), *(data[name] for name in fields), *screen, *values]

        def once(*found: Any) -> Updates:
            return dict(handler(*arguments(*found)) or {})

        def in_steps(*found: Any) -> Iterator[Updates]:
            yield from handler(*arguments(*found))

        name = getattr(handler, "__qualname__", type(handler).__name__)
        once.__qualname__ = in_steps.__qualname__ = name
        if inspect.isgeneratorfunction(handler):
            steps = self.answer(in_steps)

            def sent_in_steps(
                request: gr.Request, data: Mapping[str, Any], given: tuple[Any, ...]
            ) -> Iterator[Updates]:
                for updates in steps(request, data, given):
                    yield self._sent(updates, quiet)
                    self.session.enter(request)

            def told_in_steps(request: gr.Request, *given: Any) -> Iterator[Updates]:
                yield from sent_in_steps(request, {}, given)

            def told_in_steps_with_data(request: gr.Request, event: gr.EventData, *given: Any) -> Iterator[Updates]:
                yield from sent_in_steps(request, event._data, given)

            return told_in_steps_with_data if fields else told_in_steps
        answer = self.answer(once)

        def told(request: gr.Request, *given: Any) -> Updates:
            return self._sent(answer(request, {}, given), quiet)

        def told_with_data(request: gr.Request, event: gr.EventData, *given: Any) -> Updates:
            return self._sent(answer(request, event._data, given), quiet)

        return told_with_data if fields else told

    def _sent(self, updates: Updates, quiet: bool) -> Updates:
        """What goes to the browser: plain strings, a key in every live part, and a word on the message line."""
        said = {self.message: gr.skip() if quiet else ""}
        return said | {c: self._value(c, v) for c, v in updates.items()}

    def _value(self, component: Any, value: Any) -> Any:
        if component in self._live and value:
            value = show.render("stamped.html", html=Markup(value), part=component.elem_id, key=_key(value))
        return str(value) if isinstance(value, Markup) else value


def _key(html: str) -> str:
    """Tells one content of a part from another; "" of nothing."""
    return f"{zlib.crc32(html.encode()):08x}" if html else ""
