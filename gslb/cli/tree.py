"""The command line as data: what the manual page and the shell completions are made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import typer


@dataclass(frozen=True, slots=True)
class Option:
    """names: as they are typed. metavar: what stands for its value, "" for a switch. default: as
    people write it, "" where there is none to tell.
    """

    names: tuple[str, ...]
    metavar: str
    help: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """words: what is typed after `gslb`. arguments: what follows, as usage has it. help: one
    paragraph.
    """

    words: tuple[str, ...]
    help: str
    arguments: tuple[str, ...]
    options: tuple[Option, ...]


def read_commands(app: typer.Typer) -> list[Command]:
    """All commands of a command line in their order, those of groups after their group's name."""
    return list(_walk(typer.main.get_command(app), ()))


def read_root_options(app: typer.Typer) -> tuple[Option, ...]:
    """What may stand before a command."""
    return _options(typer.main.get_command(app))


def _walk(found: Any, words: tuple[str, ...]) -> Iterator[Command]:
    for name, command in found.commands.items():
        if hasattr(command, "commands"):
            yield from _walk(command, (*words, name))
        else:
            arguments = tuple(_argument(one) for one in command.params if one.opts == [one.name])
            yield Command((*words, name), _flat(command.help), arguments, _options(command))


def _argument(parameter: Any) -> str:
    name = parameter.metavar or parameter.name.upper()
    if parameter.metavar is None and parameter.nargs == -1:
        name += "..."
    return name if parameter.required or name.startswith("[") else f"[{name}]"


def _options(command: Any) -> tuple[Option, ...]:
    return tuple(_option(one) for one in command.params if one.opts[0].startswith("-"))


def _option(parameter: Any) -> Option:
    metavar = "" if parameter.is_flag else parameter.metavar or parameter.name.rstrip("_").upper()
    shown = parameter.show_default
    default = shown if isinstance(shown, str) else ""
    if shown is True and not parameter.is_flag and parameter.default is not None:
        default = str(getattr(parameter.default, "value", parameter.default))
    names = (*parameter.opts, *parameter.secondary_opts)
    return Option(names, metavar, _flat(parameter.help), default)


def _flat(text: str | None) -> str:
    return " ".join((text or "").split())
