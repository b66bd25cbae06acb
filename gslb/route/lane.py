"""A lane: one route, compiled, and what becomes of the requests that take it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from gslb.http1.changes import Changes, compile_changes
from gslb.http1.errors import HttpError
from gslb.http1.target import has_dot_segment
from gslb.model.proxy import Priority, Route
from gslb.route.rewrite import PathChange, compile_rewrite, compose_location
from gslb.route.split import compile_split

if TYPE_CHECKING:
    from gslb.http1.head import Request


_HOST = re.compile(rb"[!-~]*")


class Lane:
    """What a route does with its requests, ready for each of them.

    single_pool: the only pool that gets any, None for a split (or a redirect). pool_for: the pool
    for a client's hash (keys.client_hash), sticky without state; None where no pool has a weight.
    is_rewriting: whether rewrite has anything to do. request_changes, response_changes: of headers,
    None for none. Raises ValueError, the operator's fault, for a change or rewrite that is none.
    """

    __slots__ = (
        "_change",
        "_host",
        "cost",
        "is_rewriting",
        "name",
        "pool_for",
        "priority",
        "request_changes",
        "response_changes",
        "route",
        "single_pool",
    )

    def __init__(self, route: Route) -> None:
        self.route = route
        self.name = route.name
        self.cost = route.cost
        self.priority: Priority = route.priority
        self.request_changes: Changes | None = compile_changes(route.request_headers)
        self.response_changes: Changes | None = compile_changes(route.response_headers)
        self.pool_for: Callable[[int], str | None] = compile_split(route.pools)
        weighted = [name for name, weight in route.pools.items() if weight > 0]
        self.single_pool = weighted[0] if len(weighted) == 1 else None
        self._change, self._host = _compile_target(route)
        self.is_rewriting = self._change is not None or self._host is not None

    def rewrite(self, request: Request) -> tuple[bytes, bytes | None]:
        """The target to forward, and the Host in place of the request's or None to keep it.
        Raises HttpError, the client's, for a path that became what no path may be.
        """
        change = self._change
        if change is None:
            return request.target, self._host
        path, target = request.path, request.target
        changed = change(path)
        if changed is not path and has_dot_segment(changed):
            raise HttpError(400, "dot_segment")
        return changed + target[len(path) :], self._host

    def redirect(self, request: Request, *, scheme: bytes) -> tuple[int, bytes] | None:
        """The status and Location of a redirecting route, None for any other.

        scheme: of the connection that the request came on, `http` or `https`.
        """
        redirect = self.route.redirect
        if redirect is None:
            return None
        return redirect.status, compose_location(redirect, request, scheme=scheme)


def _compile_target(route: Route) -> tuple[PathChange | None, bytes | None]:
    if route.rewrite is None:
        return None, None
    host = (route.rewrite.host or "").encode()
    if not _HOST.fullmatch(host):
        raise ValueError(f"rewrite: {route.rewrite.host!r} is no host")
    return compile_rewrite(route.rewrite), host or None
