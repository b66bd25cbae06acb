import pytest

from gslb.model.endpoint import Endpoint
from gslb.store.target import Target, Topology, parse_target, redacted

ONE = (Endpoint("redis.example", 6379),)


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("redis://redis.example", Target(Topology.SINGLE, ONE)),
        ("redis://redis.example/", Target(Topology.SINGLE, ONE)),
        ("rediss://redis.example:6379/2", Target(Topology.SINGLE, ONE, is_tls=True, database=2)),
        ("redis://[::1]:7000", Target(Topology.SINGLE, (Endpoint("::1", 7000),))),
        (
            "redis://ann:p%40ss%2Fw@redis.example",
            Target(Topology.SINGLE, ONE, username="ann", password="p@ss/w"),
        ),
        ("redis://:p%40ss@redis.example", Target(Topology.SINGLE, ONE, password="p@ss")),
        (
            "redis+sentinel://a,b:1,192.0.2.1/mymaster/3",
            Target(
                Topology.SENTINEL,
                (Endpoint("a", 26379), Endpoint("b", 1), Endpoint("192.0.2.1", 26379)),
                master="mymaster",
                database=3,
            ),
        ),
        (
            "rediss+sentinel://u:p@a/m",
            Target(
                Topology.SENTINEL, (Endpoint("a", 26379),), is_tls=True, username="u",
                password="p", master="m",
            ),
        ),
        (
            "redis+cluster://a:1,b",
            Target(Topology.CLUSTER, (Endpoint("a", 1), Endpoint("b", 6379))),
        ),
        ("rediss+cluster://a:1", Target(Topology.CLUSTER, (Endpoint("a", 1),), is_tls=True)),
    ],
)  # fmt: skip
def test_a_url_says_where_a_redis_is(url, target):
    assert parse_target(url) == target


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("memory", "memory"),
        ("redis://a:1/2", "redis://a:1/2"),
        ("redis://ann:secret@a", "redis://ann:***@a"),
        ("redis://:secret@a", "redis://:***@a"),
        ("redis://ann:se@cr/et@a/1", "redis://ann:***@a/1"),
        ("redis://ann@a", "redis://ann@a"),
        ("redis://a?password=secret", "redis://a"),
    ],
)
def test_a_url_is_shown_without_its_password(url, shown):
    assert redacted(url) == shown


def test_a_password_is_in_no_text_form_and_no_error():
    assert "secret" not in repr(parse_target("redis://ann:secret@a"))
    for url in ("redis://ann:secret@", "redis://ann:secret@a/x", "other://ann:secret@a"):
        with pytest.raises(ValueError) as raised:
            parse_target(url)
        assert "secret" not in str(raised.value)
