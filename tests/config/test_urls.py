# ruff: noqa: E501 - a row is read best on one line
import pytest

from gslb.config.urls import StoreUrl, parse_store, parse_store_url, parse_webhook, webhook_host
from gslb.model.endpoint import Endpoint

SECRET = "hunter2"

GOOD = [
    ("redis://192.0.2.1", StoreUrl("redis", (Endpoint("192.0.2.1", 6379),))),
    ("redis://h.example.:7000/", StoreUrl("redis", (Endpoint("h.example", 7000),))),
    ("rediss://[2001:DB8::1]:1/65535", StoreUrl("rediss", (Endpoint("2001:db8::1", 1),), None, 65535)),
    ("redis://[::1]/3", StoreUrl("redis", (Endpoint("::1", 6379),), None, 3)),
    ("redis://u:p%40%2F@h", StoreUrl("redis", (Endpoint("h", 6379),), None, 0, "u", "p@/")),
    ("redis://:p:q@h", StoreUrl("redis", (Endpoint("h", 6379),), None, 0, "", "p:q")),
    ("redis://u@h", StoreUrl("redis", (Endpoint("h", 6379),), None, 0, "u")),
    (
        "redis+sentinel://192.0.2.1,[::1]:5/main/2",
        StoreUrl("redis+sentinel", (Endpoint("192.0.2.1", 26379), Endpoint("::1", 5)), "main", 2),
    ),
    ("redis+sentinel://h/m", StoreUrl("redis+sentinel", (Endpoint("h", 26379),), "m")),
    (
        "rediss+cluster://a:1,b",
        StoreUrl("rediss+cluster", (Endpoint("a", 1), Endpoint("b", 6379))),
    ),
    ("redis+cluster://a/0", StoreUrl("redis+cluster", (Endpoint("a", 6379),))),
]  # fmt: skip

UNKNOWN = (
    "allowed: memory, redis://, rediss://, redis+sentinel://, rediss+sentinel://, "
    "redis+cluster://, rediss+cluster://"
)
NO_STORE = f"neither memory nor the URL of a Redis; {UNKNOWN}"
PORT = "the port in the URL must be a whole number from 1 to 65535"
HOST = "the host in the URL is neither an address nor a domain name"
MASTER = (
    "the URL must name the master that Sentinel knows: "
    "redis+sentinel://HOST:26379/MASTER or .../MASTER/DATABASE"
)
DATABASE = "the database in the URL must be a whole number from 0 to 65535"
ESCAPE = "write special characters in the user name and password as %XX"

BAD = [
    ("disk", f"'disk' is unknown; {UNKNOWN}"),
    ("Memory", f"'Memory' is unknown; {UNKNOWN}"),
    ("", NO_STORE),
    ("redis:h:6379", NO_STORE),
    ("h:6379", NO_STORE),
    ("redi://h", f"'redi' is unknown; {UNKNOWN}; did you mean redis?"),
    ("redis+sentinal://h/m", f"'redis+sentinal' is unknown; {UNKNOWN}; did you mean redis+sentinel?"),
    ("REDIS://h", f"'REDIS' is unknown; {UNKNOWN}; did you mean redis?"),
    ("redis://", "the URL has no host"),
    ("redis://u:p@", "the URL has no host"),
    ("redis://:6379", "the URL has no host"),
    ("redis://h:", PORT),
    ("redis://h:0", PORT),
    ("redis://h:65536", PORT),
    ("redis://h:x", PORT),
    ("redis://h:1:2", "the URL must hold an IPv6 address in brackets, such as [::1]:6379"),
    ("redis://[::1", "the URL has a [ without its ]"),
    ("redis://[::1]x", "the URL has something between the ] of its host and the port"),
    ("redis://[::1]:", PORT),
    ("redis://[fe80::1%25eth0]", "the URL has no IPv6 address between its brackets"),
    ("redis://[192.0.2.1]", "the URL has no IPv6 address between its brackets"),
    ("redis://192.0.2.256", "the host in the URL is not an IPv4 address"),
    ("redis://a..b", HOST),
    ("redis://a,b", "the URL names 2 hosts; redis:// takes one, redis+sentinel:// and redis+cluster:// take several"),
    ("redis+cluster://a,", "the URL has no host"),
    (f"redis+cluster://{','.join('a' * 21)}", "the URL names 21 hosts; at most 20 are allowed"),
    ("redis://h/x", DATABASE),
    ("redis://h/65536", DATABASE),
    ("redis://h/-1", DATABASE),
    ("redis://h/0/1", "the URL has more in its path than the number of a database"),
    ("redis://h?db=1", "the URL must end with its path; options stand under the key redis"),
    ("redis://h#0", "the URL must end with its path; options stand under the key redis"),
    ("redis+sentinel://h", MASTER),
    ("redis+sentinel://h//0", MASTER),
    ("redis+sentinel://h/m/x", DATABASE),
    ("redis+cluster://h/1", "a Cluster has database 0 only"),
    ("redis://h h", "a URL holds no spaces and ASCII only; write other characters as %XX"),
    ("redis://h\n", "a URL holds no spaces and ASCII only; write other characters as %XX"),
    ("redis://ü", "a URL holds no spaces and ASCII only; write other characters as %XX"),
    (f"redis://{'h' * 2000}", "the URL has 2008 characters; at most 2000 are allowed"),
    ("redis://u:a%zz@h", ESCAPE),
    ("redis://a@b@h", ESCAPE),
    ("redis://u:a/b@h", "the URL has an @ behind a /; write / and @ in a password as %2F and %40"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), GOOD, ids=[row[0] for row in GOOD])
def test_store_url(text, expected):
    assert parse_store_url(text) == expected
    assert parse_store(text) == text


@pytest.mark.parametrize(("text", "expected"), BAD, ids=[row[0][:40] for row in BAD])
def test_store_url_when_wrong(text, expected):
    with pytest.raises(ValueError) as caught:
        parse_store(text)
    assert str(caught.value) == expected


def test_store_url_says_what_is_behind_it():
    tls, sentinel = parse_store_url("rediss+cluster://h"), parse_store_url("redis+sentinel://h/m")
    assert (tls.is_tls, tls.is_sentinel, tls.is_cluster) == (True, False, True)
    assert (sentinel.is_tls, sentinel.is_sentinel, sentinel.is_cluster) == (False, True, False)


SPOILED = ["", "/", "@", ":", "%", "#", "?", " ", "\t", "é", "[", "]", ",", "\\", "0"]


def told(parse, text: str) -> str:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("parse", [parse_store, parse_webhook])
@pytest.mark.parametrize("scheme", ["redis", "rediss+sentinel", "postgres", "https", "x y"])
def test_password_is_never_repeated_wherever_the_url_is_spoiled(parse, scheme):
    good = f"{scheme}://:{SECRET}@h.example:6379/0"
    spoiled = [good[:at] + one + good[at:] for one in SPOILED for at in range(len(good) + 1)]
    messages = {told(parse, text) for text in spoiled} - {""}
    assert messages
    assert [message for message in messages if SECRET in message] == []


def test_password_is_never_repeated_by_the_check_of_a_file(rows):
    url = f"redis://:{SECRET}@h.example:x"
    for main in (f"store: {url}", f"store: [{url}]", f"events: {{webhook: '{url}'}}"):
        found = rows(main)
        assert len(found) == 1
        assert SECRET not in found[0]


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://x.example", "x.example"),
        ("http://127.0.0.1:8080/a?b=c&d=%20", "127.0.0.1"),
        ("https://u:p@[::1]:1/hook", "::1"),
        ("https://x.example/?a@b", "x.example"),
    ],
)
def test_webhook(url, host):
    assert parse_webhook(url) == url
    assert webhook_host(url) == host


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ftp://x", "must be a URL that begins with https:// or http://"),
        ("x.example/hook", "must be a URL that begins with https:// or http://"),
        (7, "must be a URL that begins with https:// or http://"),
        ("https://", "the URL has no host"),
        ("https://x:99999", PORT),
        ("https://x/#a", "the URL must have a / behind its host, and no #"),
        ("https://x\\y", HOST),
    ],
)
def test_webhook_when_wrong(url, expected):
    with pytest.raises(ValueError) as caught:
        parse_webhook(url)
    assert str(caught.value) == expected
