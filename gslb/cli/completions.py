"""packaging/completions, written from the command line: `python -m gslb.cli.completions`.

They hold every command and option themselves, so that a Tab starts no program. Where a command
takes anything else, the names of files are offered. A test compares the scripts with what this
module writes, and presses Tab in a real bash.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from gslb.cli.main import app
from gslb.cli.tree import Command, Option, read_commands, read_root_options

FOLDER = Path("packaging/completions")
_WRITTEN = "# Written by python -m gslb.cli.completions; do not edit."


def compose_bash() -> str:
    """The script for bash: `. gslb.bash`, or a file of bash-completion."""
    return "\n".join(_bash(read_commands(app))) + "\n"


def compose_zsh() -> str:
    """The script for zsh: `_gslb` in a folder of fpath."""
    return "\n".join(_zsh(read_commands(app))) + "\n"


def compose_fish() -> str:
    """The script for fish: a file of completions/."""
    return "\n".join(_fish(read_commands(app))) + "\n"


def _groups(commands: Iterable[Command]) -> dict[str, list[Command]]:
    """The commands of each group, by its name; single commands under their own."""
    found: dict[str, list[Command]] = {}
    for command in commands:
        found.setdefault(command.words[0], []).append(command)
    return found


def _is_group(members: list[Command]) -> bool:
    return len(members[0].words) > 1


def _names(options: Iterable[Option]) -> list[str]:
    return [name for option in options for name in option.names] + ["--help"]


# ---------------------------------------------------------------- bash


def _bash(commands: list[Command]) -> Iterator[str]:
    groups = _groups(commands)
    parts = [name for name, members in groups.items() if _is_group(members)]
    yield _WRITTEN
    yield "_gslb() {"
    yield '    local current=${COMP_WORDS[COMP_CWORD]} command="" offered="" word'
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '        case "$command:$word" in'
    yield "            *:-*) ;;"
    yield "            :*) command=$word ;;"
    for name in parts:
        yield f'            {name}:*) command="{name} $word" ;;'
    yield "        esac"
    yield "    done"
    yield '    case "$command" in'
    first = [*groups, *_names(read_root_options(app))]
    yield f'        "") offered="{" ".join(first)}" ;;'
    for name in parts:
        offered = [*(one.words[1] for one in groups[name]), "--help"]
        yield f'        {name}) offered="{" ".join(offered)}" ;;'
    for command in commands:
        yield f'        "{" ".join(command.words)}")'
        names = " ".join(_names(command.options))
        yield f'            [[ $current == -* ]] && offered="{names}" ;;'
    yield "    esac"
    yield '    mapfile -t COMPREPLY < <(compgen -W "$offered" -- "$current")'
    yield "}"
    yield "complete -o default -F _gslb gslb"


# ---------------------------------------------------------------- zsh


def _zsh(commands: list[Command]) -> Iterator[str]:
    yield "#compdef gslb"
    yield _WRITTEN
    yield "_gslb() {"
    yield "    local -a found"
    yield "    if (( CURRENT == 2 )); then"
    yield from _zsh_words(_groups(commands))
    yield "        return"
    yield "    fi"
    yield "    case $words[2] in"
    for name, members in _groups(commands).items():
        yield f"    {name})"
        if _is_group(members):
            yield "        if (( CURRENT == 3 )); then"
            yield from _zsh_words({one.words[1]: [one] for one in members})
            yield "            return"
            yield "        fi"
            yield "        shift 2 words; (( CURRENT -= 2 ))"
            yield "        case $words[1] in"
            for one in members:
                yield f"        {one.words[1]}) {_zsh_arguments(one)} ;;"
            yield "        esac ;;"
        else:
            yield "        shift words; (( CURRENT -= 1 ))"
            yield f"        {_zsh_arguments(members[0])} ;;"
    yield "    esac"
    yield "}"
    yield '_gslb "$@"'


def _zsh_words(groups: dict[str, list[Command]]) -> Iterator[str]:
    yield "        found=("
    for name, members in groups.items():
        about = members[0].help if len(members) == 1 else "more commands"
        yield f"            {_single(f'{name}:{about}')}"
    yield "        )"
    yield "        _describe command found"


def _zsh_arguments(command: Command) -> str:
    told = [
        f"{name}[{_bracketed(one.help)}]" + (f":{one.metavar}:_files" if one.metavar else "")
        for one in command.options
        for name in one.names
    ]
    words = [*told, "--help[Show this message and leave.]", "*:file:_files"]
    return "_arguments " + " ".join(map(_single, words))


def _bracketed(text: str) -> str:
    return text.replace("[", r"\[").replace("]", r"\]").replace(":", r"\:")


# ---------------------------------------------------------------- fish


def _fish(commands: list[Command]) -> Iterator[str]:
    yield _WRITTEN
    for name, members in _groups(commands).items():
        about = members[0].help if len(members) == 1 else "more commands"
        yield f"complete -c gslb -n __fish_use_subcommand -f -a {name} -d {_single(about)}"
        seen = f"__fish_seen_subcommand_from {name}"
        if _is_group(members):
            names = " ".join(one.words[1] for one in members)
            for one in members:
                first = _single(f"{seen}; and not __fish_seen_subcommand_from {names}")
                told = _single(one.help)
                yield f"complete -c gslb -n {first} -f -a {one.words[1]} -d {told}"
        for one in members:
            condition = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in one.words)
            yield from _fish_options(condition, one.options)


def _fish_options(condition: str, options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        for name in option.names:
            kind = f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}"
            value = " -r" if option.metavar else ""
            about = _single(option.help)
            yield f"complete -c gslb -n {_single(condition)} {kind}{value} -d {about}"


def _single(text: str) -> str:
    """Text in single quotes, as all three shells read it."""
    return "'" + text.replace("'", "'\\''") + "'"


SCRIPTS: dict[str, Callable[[], str]] = {
    "gslb.bash": compose_bash,
    "_gslb": compose_zsh,
    "gslb.fish": compose_fish,
}
"""All of them by the names of their files."""


def main() -> None:
    """Writes all scripts into the folder given, else into packaging/completions."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    for name, compose in SCRIPTS.items():
        (folder / name).write_text(compose(), encoding="utf-8")


if __name__ == "__main__":
    main()
