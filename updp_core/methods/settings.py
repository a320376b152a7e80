"""A method's Config as settings that page, command and policy share: listed with range and meaning, changed by name.

A Config is a frozen dataclass. Its fields are numbers, texts, choices and switches, or further dataclasses, whose
fields are named with a dot ("prompt.length"). `updp_core.config.setting` gives a field its meaning and range.
"""

from __future__ import annotations

import dataclasses
import math
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from updp_core.errors import UsageError

Kind = Literal["int", "number", "text", "choice", "switch"]


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: dotted name, kind, value, and what it may be. `optional` settings may be None ("as the model")."""

    name: str
    kind: Kind
    value: Any
    doc: str
    low: float | None = None
    high: float | None = None
    choices: tuple[str, ...] = ()
    optional: bool = False


def listed(config: Any, prefix: str = "") -> list[Setting]:
    """Every setting of a Config with its present value, in the order of the fields."""
    found: list[Setting] = []
    hints = get_type_hints(type(config))
    for field in dataclasses.fields(config):
        value, name = getattr(config, field.name), f"{prefix}{field.name}"
        if dataclasses.is_dataclass(value):
            found += listed(value, f"{name}.")
        else:
            about = field.metadata
            kind, choices, optional = _kind(hints[field.name])
            found.append(
                Setting(name, kind, value, about.get("doc", ""), about.get("low"), about.get("high"), choices, optional)
            )
    return found


def changed(config: Any, changes: Mapping[str, Any]) -> Any:
    """`config` with settings changed by dotted name. Raises UsageError for an unknown name or a value out of range.

    A value may also be a whole dataclass for the part of that name.
    """
    known = {setting.name: setting for setting in listed(config)}
    parts = {field.name for field in dataclasses.fields(config)}
    for name, value in changes.items():
        if name in parts and dataclasses.is_dataclass(value):
            config = dataclasses.replace(config, **{name: value})
            continue
        if name not in known:
            raise UsageError(f"There is no setting {name!r}. Settings are: {', '.join(sorted(known))}.")
        config = _replaced(config, name.split("."), checked(known[name], value))
    return config


def overlaid(config: Any, changes: Mapping[str, Any]) -> Any:
    """`config` with those of `changes` that it knows, the others left out."""
    known = {setting.name for setting in listed(config)}
    return changed(config, {name: value for name, value in changes.items() if name in known})


def checked(setting: Setting, value: Any) -> Any:
    """`value` as the setting takes it. Raises UsageError that says what it may be."""
    if value is None and setting.optional:
        return None
    wrong = UsageError(f"The setting {setting.name} is {_may_be(setting)}, not {value!r}.")
    if setting.kind == "switch":
        if not isinstance(value, bool):
            raise wrong
        return value
    if setting.kind in ("choice", "text"):
        if not isinstance(value, str) or (setting.choices and value not in setting.choices):
            raise wrong
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise wrong
    if setting.kind == "int" and int(value) != value:
        raise wrong
    if not _inside(setting, value):
        raise wrong
    return int(value) if setting.kind == "int" else float(value)


def _inside(setting: Setting, value: float) -> bool:
    return (setting.low is None or value >= setting.low) and (setting.high is None or value <= setting.high)


def _may_be(setting: Setting) -> str:
    if setting.kind == "switch":
        return "true or false"
    if setting.kind == "choice":
        return f"one of {', '.join(setting.choices)}"
    if setting.kind == "text":
        return "a text"
    kind = "a whole number" if setting.kind == "int" else "a number"
    if setting.low is not None and setting.high is not None:
        return f"{kind} from {setting.low:g} to {setting.high:g}"
    if setting.low is not None:
        return f"{kind} of {setting.low:g} or more"
    return kind


def _replaced(config: Any, path: list[str], value: Any) -> Any:
    if len(path) > 1:
        value = _replaced(getattr(config, path[0]), path[1:], value)
    return dataclasses.replace(config, **{path[0]: value})


def _kind(hint: Any) -> tuple[Kind, tuple[str, ...], bool]:
    members = tuple(_members(hint))
    optional = type(None) in members
    kinds = [member for member in members if member is not type(None)]
    assert len(kinds) == 1, hint
    kind = kinds[0]
    if get_origin(kind) is Literal:
        return "choice", get_args(kind), optional
    return {int: "int", float: "number", str: "text", bool: "switch"}[kind], (), optional  # type: ignore[return-value]


def _members(hint: Any) -> Iterator[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        yield from get_args(hint)
    else:
        yield hint
