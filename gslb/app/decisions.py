"""The sampled decision log: which queries, and what is written of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from gslb.engine.engine import Engine
from gslb.engine.explain import Explanation, explain
from gslb.engine.groups import plain_address
from gslb.telemetry.decisions import DecisionLog
from gslb.wire import codes

Answer = Callable[[bytes, bytes], bytes | None]


def log_decisions(engine: Engine, answer: Answer, log: DecisionLog) -> Answer:
    """An answer function that writes down every query of the sample, told before it is answered:
    so the line names the very turn that the client gets.
    """

    def answer_and_log(octets: bytes, source: bytes) -> bytes | None:
        if log.wants():
            told = tell_decision(engine, octets, source)
            if told is not None:
                log.write(told)
        return answer(octets, source)

    return answer_and_log


def tell_decision(engine: Engine, octets: bytes, source: bytes) -> Mapping[str, Any] | None:
    """One line of the decision log, or None for a message that asks for no decision."""
    query = engine.read(octets)
    if query is None or query.rcode != codes.NOERROR or query.question is None:
        return None
    if query.question.qclass != codes.IN:
        return None
    explanation = explain(
        engine,
        query.question.qname,
        query.question.qtype,
        source=plain_address(source),
        subnet=engine.subnet(query.edns),
    )
    return {"at": round(time.time(), 3), **as_mapping(explanation)}


def as_mapping(explanation: Explanation) -> dict[str, Any]:
    """An explanation as plain data, for JSON: steps as objects, the place without its gaps."""
    told = asdict(explanation)
    told["steps"] = [dict(zip(step._fields, step, strict=True)) for step in explanation.steps]
    if explanation.location is not None:
        told["location"] = {k: v for k, v in told["location"].items() if v is not None}
    return told
