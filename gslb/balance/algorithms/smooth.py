"""Smooth weighted turns: what round robin is, and what settles the ties of least connections.

Laws:
1. At each turn every candidate gains its weight, the one with the most goes and pays the sum of
   what all gained. Three members of weights 5, 1 and 1 go a a b a c a a.
2. The sum of all credit stays 0, so nobody can save up for a burst.
3. Who joins (again) begins with credit 0 and that of the others is moved until their sum is 0: it
   neither catches up what it missed nor waits for it to be forgotten.
4. A turn of cost c gains and pays c times as much: shares are shares of cost.
"""

from __future__ import annotations

from collections.abc import Sequence

from gslb.balance.algorithms.base import Weighed
from gslb.balance.member import Member


class Smooth(Weighed):
    """Keeps credit in the members' `current`."""

    __slots__ = ()

    def renew(self, members: Sequence[Member]) -> None:
        """Takes note of who may be picked from now on; newcomers begin in the middle."""
        known = set(self._members)
        stayed = [member for member in members if member in known]
        middle = sum(member.current for member in stayed) / max(1, len(stayed))
        for member in members:
            member.current = member.current - middle if member in known else 0.0
        super().renew(members)
