"""When a route is taken: a Match as named rules (`acl`), all of which must hold.

Laws:
1. A rule that HAProxy cannot judge never holds: its route is not taken, and that is told. Who
   protects something by a token gets no open door.
2. What a rule reads was put aside before anything changed it: txn.host, txn.path.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from gslb.model.proxy import JwtMatch, Match, Route, TextMatch, TextTest
from gslb.render.features import Notes
from gslb.render.text import acl, argument, fetch, name, word

SKEW_S = 10
"""How far the clock of who signs a token may be ahead, as gslb.route.jwt has it."""

_ASKABLE = re.compile(r"[A-Za-z0-9_.~-]+")
_CLAIM = re.compile(r"[A-Za-z0-9_-]+")
_VERIFIED = ("RS", "ES")  # what jwt_verify of 2.6 knows, but for HS (law 1)


@dataclass(slots=True)
class Conditions:
    """lines: what comes before. names: of the rules that must hold. is_judged: whether all could be
    rendered.
    """

    lines: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    is_judged: bool = True

    def take(self, title: str, *lines: str) -> None:
        """A rule, with the lines that make it."""
        self.lines += lines
        self.names.append(title)


def render_conditions(route: Route, notes: Notes) -> Conditions:
    """The rules of a route."""
    found, match = Conditions(), route.match
    _render_target(found, route.name, match)
    if match.client_networks:
        title = name(route.name, "client")
        found.take(title, *acl(title, "src", map(str, match.client_networks)))
    for each, text in match.headers.items():
        _render_text(found, name(route.name, "header", each), fetch("req.fhdr", each), text)
    for each, text in match.cookies.items():
        _render_text(found, name(route.name, "cookie", each), fetch("req.cook", each), text)
    for each, text in match.query.items():
        if _ASKABLE.fullmatch(each):
            value = f"urlp({each}),url_dec(1)"
            _render_text(found, name(route.name, "query", each), value, text)
        else:
            notes.add("routes.query.name", "routes", route.name, "query", each)
            found.is_judged = False
    if match.languages:
        notes.add("routes.languages", "routes", route.name, "languages")
        _render_languages(found, route.name, match)
    if match.jwt is not None:
        _render_jwt(found, route.name, match.jwt, notes)
    return found


def _render_target(found: Conditions, route: str, match: Match) -> None:
    if match.hosts:
        title = name(route, "host")
        exact = [host for host in match.hosts if not host.startswith("*.")]
        below = [host[1:] for host in match.hosts if host.startswith("*.")]
        lines = (
            *acl(title, "var(txn.host) -m str", [host.rstrip(".").lower() for host in exact]),
            *acl(title, "var(txn.host) -m end", [host.rstrip(".").lower() for host in below]),
        )
        found.take(title, *lines)
    if match.methods:
        title = name(route, "method")
        found.take(title, *acl(title, "method", match.methods))
    if match.path is not None:
        title = name(route, "path")
        found.take(title, *acl(title, "var(txn.path) -m str", [match.path]))
    if match.path_prefix:
        title = name(route, "prefix")
        found.take(title, *_prefix_lines(title, match.path_prefix))
    if match.path_regex is not None:
        title = name(route, "regex")
        found.take(title, *acl(title, "var(txn.path) -m reg", [whole(match.path_regex)]))


def _prefix_lines(title: str, prefix: str) -> Iterator[str]:
    if not prefix.endswith("/"):
        yield from acl(title, "var(txn.path) -m str", [prefix])
        prefix += "/"
    yield from acl(title, "var(txn.path) -m beg", [prefix])


def whole(regex: str) -> str:
    """A regular expression that fits what the given one matches as a whole."""
    return rf"\A(?:{regex})\z"


def _render_text(found: Conditions, title: str, value: str, text: TextMatch) -> None:
    flags = {TextTest.EXACT: "str", TextTest.PREFIX: "beg", TextTest.REGEX: "reg"}
    if text.test is TextTest.PRESENT or (text.test is TextTest.PREFIX and not text.text):
        found.take(title, f"acl {title} {value} -m found")
    elif not text.text:  # an empty pattern is none for HAProxy
        found.take(title, f"acl {title} {value} -m len 0")
    else:
        pattern = whole(text.text) if text.test is TextTest.REGEX else text.text
        found.take(title, *acl(title, f"{value} -m {flags[text.test]}", [pattern]))


def _render_languages(found: Conditions, route: str, match: Match) -> None:
    title = name(route, "language")
    either = "|".join(map(re.escape, match.languages))
    pattern = rf"^\s*({either})(-[a-z0-9-]+)?\s*(;[^,]*)?(,|$)"
    found.take(title, *acl(title, "req.fhdr(accept-language) -m reg -i", [pattern]))


# ---------------------------------------------------------------- tokens


def _render_jwt(found: Conditions, route: str, jwt: JwtMatch, notes: Notes) -> None:
    place = ("routes", route, "jwt")
    verified = [each for each in jwt.algorithms if each.startswith(_VERIFIED)]
    if any(each.startswith("HS") for each in jwt.algorithms):
        notes.add("routes.jwt.secret", *place)
    elif len(verified) < len(jwt.algorithms):
        notes.add("routes.jwt.algorithms", *place)
    if not verified:
        found.is_judged = False
        return
    _put_token_aside(found, jwt)
    rule = name(route, "jwt")
    key = word(f"var(txn.jwt),jwt_verify(txn.jwt_alg,{argument(jwt.key_file)})")
    algorithm, signature = f"{rule}:algorithm", f"{rule}:signature"
    found.take(algorithm, *acl(algorithm, "var(txn.jwt_alg) -m str", verified))
    found.take(signature, f"acl {signature} {key} -m int eq 1")
    _render_times(found, rule)
    _render_claims(found, route, _wanted(jwt), notes)
    if jwt.audience is not None:
        notes.add("routes.jwt.audience", *place, "audience")


def _put_token_aside(found: Conditions, jwt: JwtMatch) -> None:
    """The token and what is asked of it. What a route before this one has put aside must go: a
    token without a part would keep that of the other.
    """
    is_bearer = jwt.header.lower() == "authorization"
    parts = {
        "jwt": "http_auth_bearer" if is_bearer else fetch("req.fhdr", jwt.header),
        "jwt_alg": _query("jwt_header_query", "$.alg"),
        "jwt_exp": _query("jwt_payload_query", "$.exp", "int"),
        "jwt_nbf": _query("jwt_payload_query", "$.nbf", "int"),
        "jwt_now": "date",
        "jwt_late": f"date({SKEW_S})",
    }
    for variable, expression in parts.items():
        found.lines += [
            f"http-request unset-var(txn.{variable})",
            f"http-request set-var(txn.{variable}) {expression}",
        ]


def _query(converter: str, *arguments: str) -> str:
    return word(f"var(txn.jwt),{converter}({','.join(map(argument, arguments))})")


def _render_times(found: Conditions, rule: str) -> None:
    """A time is judged only where there is one, so the rules say what must not be. In whole
    seconds: a token is good until the second in which it expires.
    """
    stale, early = f"{rule}:stale", f"{rule}:early"
    found.take(f"!{stale}", f"acl {stale} var(txn.jwt_exp),sub(txn.jwt_now) -m int le 0")
    found.take(f"!{early}", f"acl {early} var(txn.jwt_nbf),sub(txn.jwt_late) -m int gt 0")


def _wanted(jwt: JwtMatch) -> Mapping[str, str | int | float | bool | None]:
    wanted = dict(jwt.claims)
    if jwt.audience is not None:
        wanted["aud"] = jwt.audience
    if jwt.issuer is not None:
        wanted["iss"] = jwt.issuer
    return wanted


def _render_claims(
    found: Conditions,
    route: str,
    claims: Mapping[str, str | int | float | bool | None],
    notes: Notes,
) -> None:
    for claim, value in claims.items():
        rule = name(route, "claim", claim)
        text = _query("jwt_payload_query", f"$.{claim}")
        if not _CLAIM.fullmatch(claim) or value in (None, "") or isinstance(value, float):
            notes.add("routes.jwt.claims", "routes", route, "jwt", "claims", claim)
            found.is_judged = False
        elif isinstance(value, bool):
            found.take(rule, f"acl {rule} {text} -m bool {str(value).lower()}")
        elif isinstance(value, int):
            number = _query("jwt_payload_query", f"$.{claim}", "int")
            found.take(rule, f"acl {rule} {number} -m int eq {value}")
        else:
            found.take(rule, *acl(rule, f"{text} -m str", [str(value)]))
