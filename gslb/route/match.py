"""When a route is taken: a Match, compiled to rules that each judge one thing.

Laws:
1. A route is taken when all its rules hold; one without rules holds for every request.
2. What is judged is what is forwarded: the path is compared as it came, without decoding escapes,
   dots or doubled slashes. Whoever protects something by its path protects the backend's reading of
   it, too.
3. `path_prefix` ends at the border of a segment: `/api` is for `/api` and `/api/x`, not `/apis`.
   One that ends with `/` is for what begins with it.
4. Hosts know no case and no dot at their end. `*.api.example` is for any name below it, at any
   depth, not for `api.example`.
5. Names of headers know no case, names of cookies, parameters and methods do. What is there several
   times is one list (headers) or the first of them (cookies, parameters). A value that is missing
   equals nothing, not even the empty text; PRESENT takes the empty one.
6. A regular expression must fit the whole (path_regex, values).
7. Languages: what the client likes best, of equals the first. `de` is for `de` and `de-AT`.
8. Rules are judged cheapest first, a token's signature last.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gslb.model.place import Address, Network
from gslb.model.proxy import Match, TextMatch, TextTest
from gslb.route.fields import find_cookie, find_language, find_parameter
from gslb.route.jwt import TokenGate
from gslb.route.keys import plain_client

if TYPE_CHECKING:
    from gslb.http1.head import Request

Check = Callable[["Request", Address, float], bool]
Tell = Callable[["Request", Address, float], str]
Holds = Callable[[bytes], bool]


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition of a route. tell: why a request that fails it does."""

    check: Check
    tell: Tell


@dataclass(frozen=True, slots=True)
class Conditions:
    """A compiled Match. begins: what every path that matches begins with. needed: a header that
    every request that matches has, None for none. Both are only a quick look: the rules judge.
    """

    begins: bytes
    needed: bytes | None
    rules: tuple[Rule, ...]


def compile_match(match: Match, keys: Mapping[str, bytes]) -> Conditions:
    """The rules of a Match. keys: the octets of each key file.

    Raises ValueError, the operator's fault, for a pattern or a key that is none.
    """
    gate = TokenGate(match.jwt, keys) if match.jwt is not None else None
    rules = (
        *_hosts(match.hosts),
        *_methods(match.methods),
        *_path(match),
        *_networks(match.client_networks),
        *(_header(name, text) for name, text in match.headers.items()),
        *(_cookie(name, text) for name, text in match.cookies.items()),
        *(_parameter(name, text) for name, text in match.query.items()),
        *_languages(match.languages),
        *(() if gate is None else (_token(gate),)),
    )
    return Conditions(_find_beginning(match), _find_needed(match), rules)


def _find_beginning(match: Match) -> bytes:
    return (match.path or match.path_prefix or "").encode()


def _find_needed(match: Match) -> bytes | None:
    names = [name.lower().encode() for name in match.headers]
    if match.cookies:
        names.append(b"cookie")
    if match.jwt is not None:
        names.append(match.jwt.header.lower().encode())
    if match.languages:
        names.append(b"accept-language")
    return names[0] if names else None


# ---------------------------------------------------------------- what is asked for


def _hosts(hosts: Sequence[str]) -> tuple[Rule, ...]:
    if not hosts:
        return ()
    names = [host.lower().removesuffix(".").encode() for host in hosts]
    exact = frozenset(name for name in names if not name.startswith(b"*."))
    below = tuple(name[1:] for name in names if name.startswith(b"*."))

    def check(request: Request, _client: Address, _at: float) -> bool:
        host = request.host  # in lower case and without a dot at its end: http1 sees to both
        return host in exact or host.endswith(below)

    return (Rule(check, lambda request, *_: f"host {_show(request.host)} is not among its hosts"),)


def _methods(methods: Sequence[str]) -> tuple[Rule, ...]:
    if not methods:
        return ()
    allowed = frozenset(method.encode() for method in methods)
    return (
        Rule(
            lambda request, _client, _at: request.method in allowed,
            lambda request, *_: f"method {_show(request.method)} is not among its methods",
        ),
    )


def _path(match: Match) -> tuple[Rule, ...]:
    rules = []
    if match.path is not None:
        whole = match.path.encode()
        rules.append(_path_rule(lambda path: path == whole, f"is not {match.path}"))
    if match.path_prefix is not None:
        prefix = match.path_prefix
        rules.append(_path_rule(_prefix_holds(prefix.encode()), f"does not begin with {prefix}"))
    if match.path_regex is not None:
        regex = match.path_regex
        rules.append(_path_rule(_regex_holds(regex), f"does not fit {regex}"))
    return tuple(rules)


def _path_rule(holds: Holds, why: str) -> Rule:
    return Rule(
        lambda request, _client, _at: holds(request.path),
        lambda request, *_: f"path {_show(request.path)} {why}",
    )


def _prefix_holds(prefix: bytes) -> Holds:
    if prefix[-1:] == b"/" or not prefix:
        return lambda path: path.startswith(prefix)
    length = len(prefix)
    return lambda path: path.startswith(prefix) and path[length : length + 1] in (b"", b"/")


# ---------------------------------------------------------------- what it brings


def _header(name: str, text: TextMatch) -> Rule:
    key = name.lower().encode()
    return _value_rule(lambda request: request.fields.get(key), text, f"header {name}")


def _cookie(name: str, text: TextMatch) -> Rule:
    key = name.encode()
    return _value_rule(
        lambda request: find_cookie(request.fields.get(b"cookie", b""), key), text, f"cookie {name}"
    )


def _parameter(name: str, text: TextMatch) -> Rule:
    key = name.encode()
    return _value_rule(lambda request: find_parameter(request.query, key), text, f"query {name}")


def _value_rule(find: Callable[[Request], bytes | None], text: TextMatch, what: str) -> Rule:
    holds = _text_holds(text)
    wanted = f"{what} is {_WORDS[text.test]}".replace("{}", text.text)

    def check(request: Request, _client: Address, _at: float) -> bool:
        value = find(request)
        return value is not None and holds(value)

    def tell(request: Request, _client: Address, _at: float) -> str:
        return f"{what} is missing" if find(request) is None else wanted

    return Rule(check, tell)


_WORDS = {
    TextTest.EXACT: "not {}",
    TextTest.PREFIX: "not one that begins with {}",
    TextTest.REGEX: "not one that fits {}",
    TextTest.PRESENT: "missing",
}
"""What a value is that fails. Values themselves are not told: they may be secrets."""


def _text_holds(text: TextMatch) -> Holds:
    wanted = text.text.encode()
    match text.test:
        case TextTest.EXACT:
            return lambda value: value == wanted
        case TextTest.PREFIX:
            return lambda value: value.startswith(wanted)
        case TextTest.REGEX:
            return _regex_holds(text.text)
        case TextTest.PRESENT:
            return lambda _: True


def _regex_holds(regex: str) -> Holds:
    try:
        fits = re.compile(regex.encode()).fullmatch
    except re.error as error:
        raise ValueError(f"{regex!r} is no regular expression: {error}") from error
    return lambda value: fits(value) is not None


def _languages(languages: Sequence[str]) -> tuple[Rule, ...]:
    if not languages:
        return ()
    exact = frozenset(language.lower().encode() for language in languages)
    below = tuple(language + b"-" for language in exact)

    def check(request: Request, _client: Address, _at: float) -> bool:
        best = find_language(request.fields.get(b"accept-language", b""))
        return best is not None and (best in exact or best.startswith(below))

    wanted = ", ".join(languages)
    return (Rule(check, lambda *_: f"the client likes none of {wanted} best"),)


# ---------------------------------------------------------------- who asks


def _networks(networks: Sequence[Network]) -> tuple[Rule, ...]:
    if not networks:
        return ()
    spans = {version: _spans(networks, version) for version in (4, 6)}

    def check(_request: Request, client: Address, _at: float) -> bool:
        client = plain_client(client)
        starts, ends = spans[client.version]
        number = int(client)
        index = bisect_right(starts, number) - 1
        return index >= 0 and number <= ends[index]

    return (Rule(check, lambda _, client, _at: f"client {client} is in none of its networks"),)


def _spans(networks: Sequence[Network], version: int) -> tuple[list[int], list[int]]:
    """The first and last addresses of the networks of an IP version, rising, none overlapping: of
    two that overlap one lies within the other, and the wider of two firsts comes first here.
    """
    firsts: list[int] = []
    lasts: list[int] = []
    own = [network for network in networks if network.version == version]
    for first, negative in sorted((int(net[0]), -int(net[-1])) for net in own):
        if not lasts or first > lasts[-1]:
            firsts.append(first)
            lasts.append(-negative)
    return firsts, lasts


def _token(gate: TokenGate) -> Rule:
    return Rule(
        lambda request, _client, at: gate.judge(request.fields.get(gate.header), at=at) is None,
        lambda request, _client, at: (
            f"jwt: {gate.judge(request.fields.get(gate.header), at=at) or 'valid'}"
        ),
    )


def _show(octets: bytes) -> str:
    """At most 80 octets of what a client sent, for a log."""
    shown = octets[:80].decode("ascii", "backslashreplace")
    return shown + ("..." if len(octets) > 80 else "")
