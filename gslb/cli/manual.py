"""packaging/man, written from the command line and the schema: `python -m gslb.cli.manual`.

A test compares the pages with what this module writes, and reads them with mandoc.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from textwrap import wrap

from gslb import __version__
from gslb.cli.main import app
from gslb.cli.tree import Command, Option, read_commands, read_root_options
from gslb.config.document import SECTIONS, read_rows

FOLDER = Path("packaging/man")
COLUMNS = 76
DATE = "2026-11-28"
"""Of the pages' last change in form; what the program says has its version."""

_ENVIRONMENT = (
    ("GSLB_TOKEN_FILE", "The file with the token that an admin port asks for."),
    ("GSLB_TOKEN", "That token itself, where there is no file."),
    ("GSLB_AGENT_KEY", "The private key of gslb probe."),
    (
        "LISTEN_PID, LISTEN_FDS, LISTEN_FDNAMES",
        "Sockets that a service manager hands to gslb serve (sd_listen_fds(3)).",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC",
        "Where a service manager is told that gslb serve, probe or proxy is ready (sd_notify(3)).",
    ),
)
_FILES = (
    ("/etc/gslb/gslb.yaml", "The main file of the units; see gslb.yaml(5)."),
    ("/var/lib/gslb", "Where state_dir should be."),
    ("/var/log/gslb", "Where log.decisions and access_log should be."),
)
_STATUS = (
    ("0", "All is well."),
    ("1", "The thing asked for is wrong, or was not found."),
    ("2", "The command line makes no sense."),
    ("3", "gslb proxy with --render: the other engine lacks something."),
)


def compose_commands_page() -> str:
    """gslb(1)."""
    return "\n".join(_commands_page()) + "\n"


def compose_file_page() -> str:
    """gslb.yaml(5)."""
    return "\n".join(_file_page()) + "\n"


def _commands_page() -> Iterator[str]:
    yield _title("GSLB", 1)
    yield ".SH NAME"
    yield r"gslb \- global server load balancer: DNS that answers with the right region"
    yield ".SH SYNOPSIS"
    yield f".B gslb\n.I command\n[{_text('options')}]"
    yield ".SH DESCRIPTION"
    yield _text(
        "An authoritative name server decides for each query which site the client is sent to; "
        "agents check the sites, and a proxy balances the load inside of each."
    )
    yield ".SH OPTIONS"
    yield from _list_options(read_root_options(app))
    yield ".SH COMMANDS"
    for command in read_commands(app):
        yield from _tell_command(command)
    yield ".SH EXIT STATUS"
    yield from _tell_pairs(_STATUS)
    yield ".SH ENVIRONMENT"
    yield from _tell_pairs(_ENVIRONMENT)
    yield ".SH FILES"
    yield from _tell_pairs(_FILES)
    yield ".SH SEE ALSO"
    yield ".BR gslb.yaml (5)"


def _file_page() -> Iterator[str]:
    yield _title("GSLB.YAML", 5)
    yield ".SH NAME"
    yield r"gslb.yaml \- configuration of gslb"
    yield ".SH DESCRIPTION"
    yield _text(
        "One main file in YAML describes the whole system; it names zone files, and a zone file "
        "may name a master file. Relative paths are relative to the main file."
    )
    yield ".B gslb check\nsays everything that is wrong."
    for heading, parts in SECTIONS.items():
        yield f".SH {_text(heading.upper())}"
        for path, model in parts:
            about, rows = read_rows(model)
            if path:
                yield f".SS {_text(path)}"
            yield _text(about)
            for row in rows:
                told = f"{row.meaning} Takes {row.takes}; default: {row.default}."
                yield f".TP\n.B {_text(row.key)}\n{_text(told.replace('`', ''))}"
    yield ".SH SEE ALSO"
    yield ".BR gslb (1)"


def _title(name: str, section: int) -> str:
    head = f'.TH {name} {section} {DATE} "gslb {__version__}"'
    return f'.\\" Written by python -m gslb.cli.manual; do not edit.\n{head}'


def _tell_command(command: Command) -> Iterator[str]:
    usage = " ".join((*command.words, *command.arguments))
    yield f".SS gslb {_text(usage)}"
    yield _text(command.help)
    yield from _list_options(command.options)


def _list_options(options: Iterable[Option]) -> Iterator[str]:
    for option in options:
        names = _text(", ".join(option.names))
        yield ".TP"
        yield f'.BI "{names} " {_text(option.metavar)}' if option.metavar else f".B {names}"
        yield _text(f"{option.help} Default: {option.default}." if option.default else option.help)


def _tell_pairs(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, meaning in pairs:
        yield f".TP\n.B {_text(name)}\n{_text(meaning)}"


def _text(text: str) -> str:
    """Text that roff prints as it is: nothing is taken for a request, sentences begin lines."""
    escaped = text.replace("\\", r"\e").replace("-", r"\-").replace('"', r"\(dq")
    sentences = re.sub(r"(?<=[.;:]) (?=[A-Z])", "\n", escaped).splitlines()
    lines = (line for one in sentences for line in wrap(one, COLUMNS, break_long_words=False))
    return "\n".join(rf"\&{line}" if line[:1] in (".", "'") else line for line in lines)


def main() -> None:
    """Writes both pages into the folder given, else into packaging/man."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    (folder / "gslb.1").write_text(compose_commands_page(), encoding="utf-8")
    (folder / "gslb.yaml.5").write_text(compose_file_page(), encoding="utf-8")


if __name__ == "__main__":
    main()
