"""`gslb proxy FILE --render haproxy`: the same file as another engine's configuration.

Exit status: 0 when the configuration does all of it, 1 when the file is wrong, 3 when something is
missing (2 is a wrong command line). What is approximated or has to be done by hand is told, and no
reason for another status.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

IS_MISSING = 3


class Engine(StrEnum):
    """What a proxy's file can be rendered for."""

    HAPROXY = "haproxy"


def print_rendered(path: Path, names: Sequence[str]) -> int:
    """Prints HAProxy's configuration, and on stderr what it does not do as the file says. The exit
    status. Raises ConfigError.
    """
    from gslb.app.proxy_files import load_proxies
    from gslb.render.haproxy import render_haproxy

    rendered = render_haproxy(tuple(load_proxies(path, names).proxies.values()))
    print(rendered.text, end="")
    for each in (*rendered.missing, *rendered.approximated, *rendered.by_hand):
        print(each, file=sys.stderr)
    return IS_MISSING if rendered.missing else 0
