"""What a shared cache may store: tables by section of RFC 9111, and our stricter laws."""

import pytest

from gslb.content.cache import Cache
from gslb.content.cache_rules import Action, Refusal, judge
from gslb.content.directives import read_terms
from gslb.content.entry import HEURISTIC_MAX_S, Exchange, age_at_s, kept_lines, lifetime_s
from gslb.model.proxy import CacheSettings
from tests.content.heads import AT, ask, date, store, tell

FRESH = "Cache-Control: max-age=60"
TAGGED = 'ETag: "x"'
OLD = f"Last-Modified: {date(-1000)}"
AUTH = "Authorization: Bearer x"


def verdict(request, response, at=AT):
    cache = Cache(CacheSettings())
    return judge(cache.lookup(request, at=at).visit, response, at)


STORED = None
CASES = [
    # 3: method, status, explicit or not
    ("3 GET 200 with a lifetime", ask(), tell(FRESH), STORED),
    ("3 POST", ask("Content-Length: 0", method="POST"), tell(FRESH), Refusal.METHOD),
    ("3 HEAD", ask(method="HEAD"), tell(FRESH, method="HEAD"), Refusal.METHOD),
    ("3 PUT", ask("Content-Length: 0", method="PUT"), tell(FRESH), Refusal.METHOD),
    ("3 OPTIONS", ask(method="OPTIONS"), tell(FRESH), Refusal.METHOD),
    ("3 GET with a body", ask("Content-Length: 3"), tell(FRESH), Refusal.BODY_OR_CONDITION),
    ("3.3 Range", ask("Range: bytes=0-1"), tell(FRESH), Refusal.BODY_OR_CONDITION),
    ("3.3 206", ask(), tell(FRESH, "Content-Range: bytes 0-4/9", status=206), Refusal.STATUS),
    ("4.3 If-Match", ask('If-Match: "x"'), tell(FRESH), Refusal.BODY_OR_CONDITION),
    ("3 304", ask('If-None-Match: "x"'), tell(FRESH, TAGGED, status=304), Refusal.STATUS),
    ("3 404 with a lifetime", ask(), tell(FRESH, status=404), STORED),
    ("3 404 without", ask(), tell(status=404), Refusal.USELESS),
    ("3 301 with Last-Modified", ask(), tell(OLD, status=301), STORED),
    ("3 302 with a lifetime", ask(), tell(FRESH, status=302), STORED),
    ("3 302 without", ask(), tell(OLD, status=302), Refusal.STATUS),
    ("3 302 with Expires", ask(), tell(f"Expires: {date(60)}", status=302), STORED),
    ("3 405 without a lifetime", ask(), tell(OLD, status=405), Refusal.STATUS),
    ("3 500 even with a lifetime", ask(), tell(FRESH, status=500), Refusal.STATUS),
    ("3 503 even with a lifetime", ask(), tell(FRESH, status=503), Refusal.STATUS),
    ("3 400 even with a lifetime", ask(), tell(FRESH, status=400), Refusal.STATUS),
    ("3 299 is not understood", ask(), tell(FRESH, status=299), Refusal.STATUS),
    ("3 204", ask(), tell(FRESH, status=204), STORED),
    # 5.2.1.5, 5.2.2: directives
    (
        "5.2.1.5 no-store asked",
        ask("Cache-Control: no-store"),
        tell(FRESH),
        Refusal.REQUEST_NO_STORE,
    ),
    ("5.2.2.5 no-store", ask(), tell("Cache-Control: no-store, max-age=60"), Refusal.NO_STORE),
    ("5.2.2.5 in capitals", ask(), tell("Cache-Control: NO-STORE, max-age=9"), Refusal.NO_STORE),
    ("5.2.2.5 in a second line", ask(), tell(FRESH, "Cache-Control: no-store"), Refusal.NO_STORE),
    (
        "5.2.2.3 must-understand",
        ask(),
        tell("Cache-Control: must-understand, no-store, max-age=60"),
        STORED,
    ),
    ("5.2.2.7 private", ask(), tell("Cache-Control: private, max-age=60"), Refusal.PRIVATE),
    (
        "5.2.2.7 private for one field",
        ask(),
        tell('Cache-Control: private="X-User", max-age=60'),
        Refusal.PRIVATE,
    ),
    (
        "5.2.2.7 private beats public",
        ask(),
        tell("Cache-Control: public, private"),
        Refusal.PRIVATE,
    ),
    ("5.2.2.4 no-cache with a tag", ask(), tell("Cache-Control: no-cache", TAGGED), STORED),
    ("5.2.2.4 no-cache without", ask(), tell("Cache-Control: no-cache"), Refusal.USELESS),
    ("5.2 an unknown one", ask(), tell("Cache-Control: frob, max-age=60"), STORED),
    ("5.2 a comma in quotes", ask(), tell('Cache-Control: x="a, no-store", max-age=60'), STORED),
    # 3.5: Authorization
    ("3.5 Authorization", ask(AUTH), tell(FRESH), Refusal.AUTHORIZATION),
    ("3.5 and public", ask(AUTH), tell("Cache-Control: public, max-age=60"), STORED),
    ("3.5 and s-maxage", ask(AUTH), tell("Cache-Control: s-maxage=60"), STORED),
    (
        "3.5 and must-revalidate, which we do not take",
        ask(AUTH),
        tell("Cache-Control: must-revalidate, max-age=60"),
        Refusal.AUTHORIZATION,
    ),
    # 4.1: Vary
    ("4.1 Vary: *", ask(), tell(FRESH, "Vary: *"), Refusal.VARY),
    ("4.1 * among others", ask(), tell(FRESH, "Vary: Accept", "Vary: *"), Refusal.VARY),
    ("4.1 by what we set", ask(), tell(FRESH, "Vary: X-Forwarded-For"), Refusal.VARY),
    ("4.1 by what we set", ask(), tell(FRESH, "Vary: Accept, x-real-ip"), Refusal.VARY),
    (
        "4.1 too many names",
        ask(),
        tell(FRESH, "Vary: " + ", ".join(f"a{each}" for each in range(17))),
        Refusal.VARY,
    ),
    ("4.1 coded and not said", ask(), tell(FRESH, "Content-Encoding: gzip"), Refusal.VARY),
    (
        "4.1 coded and said",
        ask(),
        tell(FRESH, "Content-Encoding: gzip", "Vary: accept-encoding"),
        STORED,
    ),
    ("4.1 a usual one", ask(), tell(FRESH, "Vary: Accept-Encoding, Cookie"), STORED),
    # 7.3: cookies, and bodies without an end
    ("7.3 Set-Cookie", ask(), tell(FRESH, "Set-Cookie: a=b"), Refusal.SET_COOKIE),
    (
        "7.3 even if public",
        ask(),
        tell("Cache-Control: public, s-maxage=9", "set-cookie: a=b"),
        Refusal.SET_COOKIE,
    ),
    ("7.3 Cookie asked", ask("Cookie: a=b"), tell(FRESH), STORED),
    ("3.3 until close", ask(), tell(FRESH, length=-2), Refusal.UNTIL_CLOSE),
    ("3.3 chunked", ask(), tell(FRESH, length=None), STORED),
    # 4.2.1: what never serves
    ("4.2.1 nothing said", ask(), tell(), Refusal.USELESS),
    ("4.2.1 max-age=0 without a tag", ask(), tell("Cache-Control: max-age=0"), Refusal.USELESS),
    ("4.3.1 a tag alone", ask(), tell(TAGGED), STORED),
    ("4.3.1 a broken tag alone", ask(), tell("ETag: x"), Refusal.USELESS),
    ("4.2.2 Last-Modified alone", ask(), tell(OLD), STORED),
    ("5.3 Expires in the past", ask(), tell(f"Expires: {date(-1)}"), Refusal.USELESS),
    ("5.3 Expires: 0", ask(), tell("Expires: 0"), Refusal.USELESS),
    ("5.3 Expires", ask(), tell(f"Expires: {date(1)}"), STORED),
]


@pytest.mark.parametrize(
    ("request_", "response", "expected"),
    [pytest.param(*case[1:], id=f"{number}: {case[0]}") for number, case in enumerate(CASES)],
)
def test_what_is_stored(request_, response, expected):
    assert verdict(request_, response) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param(["Cache-Control: s-maxage=5, max-age=9"], 5, id="s-maxage first"),
        pytest.param(["Cache-Control: max-age=9", f"Expires: {date(99)}"], 9, id="then max-age"),
        pytest.param([f"Expires: {date(99)}", OLD], 99, id="then Expires - Date"),
        pytest.param([f"Expires: {date(-99)}"], 0, id="Expires before Date"),
        pytest.param([f"Expires: {date(9)}"] * 2, 0, id="Expires twice"),
        pytest.param([OLD], 100, id="a tenth of 1000 s"),
        pytest.param([f"Last-Modified: {date(-(10**7))}"], HEURISTIC_MAX_S, id="at most an hour"),
        pytest.param([f"Last-Modified: {date(100)}"], 0, id="modified in the future"),
        pytest.param(["Cache-Control: max-age=x", OLD], 0, id="no number is stale"),
        pytest.param(["Cache-Control: max-age=-1", OLD], 0, id="negative is stale"),
        pytest.param(["Cache-Control: max-age=1.5"], 0, id="a fraction is stale"),
        pytest.param(["Cache-Control: max-age", OLD], 0, id="no argument is stale"),
        pytest.param(['Cache-Control: max-age="7"'], 7, id="quoted"),
        pytest.param(["Cache-Control: max-age=5, max-age=9"], 0, id="contradiction is stale"),
        pytest.param(["Cache-Control: max-age=5, max-age=5"], 5, id="said twice alike"),
        pytest.param(["Cache-Control: max-age=" + "9" * 30], 2**31, id="overflow"),
        pytest.param([], 0, id="nothing"),
    ],
)
def test_section_4_2_1_lifetime(lines, expected):
    fields = tell(*lines).fields
    assert lifetime_s(read_terms(fields), fields, AT) == expected


@pytest.mark.parametrize(
    ("lines", "exchange", "expected"),
    [
        pytest.param([f"Date: {date()}"], (0, 0), 0, id="now"),
        pytest.param([f"Date: {date(-30)}"], (0, 0), 30, id="apparent age"),
        pytest.param([f"Date: {date(-30)}", "Age: 50"], (0, 0), 50, id="Age is larger"),
        pytest.param([f"Date: {date(-30)}", "Age: 10"], (0, 0), 30, id="Age is smaller"),
        pytest.param([f"Date: {date()}", "Age: 10"], (-3, 0), 13, id="the exchange took 3 s"),
        pytest.param([f"Date: {date(30)}"], (0, 0), 0, id="a clock ahead of ours"),
        pytest.param(["Age: 10, 20"], (0, 0), 10, id="the first of several"),
        pytest.param(["Age: x"], (0, 0), 0, id="no number"),
        pytest.param([], (-2, 0), 2, id="no Date"),
    ],
)
def test_section_4_2_3_age(lines, exchange, expected):
    fields = tell(*lines, dated=False).fields
    assert age_at_s(fields, Exchange(*(AT + each for each in exchange))) == expected


def test_section_3_1_lines_of_the_connection_are_not_stored():
    response = tell(
        *("Connection: X-Hop, Cache-Control", "X-Hop: 1", "Keep-Alive: timeout=5", "Age: 7"),
        *("Proxy-Authenticate: Basic", "Trailer: x", "X-Kept: 1", FRESH),
    )
    kept = kept_lines(response.raw, response.fields, AT)
    assert kept == (f"Date: {date()}".encode(), b"X-Kept: 1", FRESH.encode())


def test_a_date_is_added_where_there_is_none():
    response = tell(FRESH, dated=False)
    assert kept_lines(response.raw, response.fields, AT)[-1] == f"Date: {date()}".encode()


# ---------------------------------------------------------------- recordings


@pytest.mark.parametrize(
    ("length", "body", "stored"),
    [
        pytest.param(5, b"hello", True, id="whole"),
        pytest.param(5, b"hell", False, id="short"),
        pytest.param(5, b"hello!", False, id="long"),
        pytest.param(None, b"hell", True, id="chunked"),
        pytest.param(0, b"", True, id="empty"),
    ],
)
def test_section_3_3_only_whole_answers_are_stored(length, body, stored):
    cache = Cache(CacheSettings())
    assert store(cache, ask(), tell(FRESH, length=length), body=body) is stored
    assert len(cache) == stored
    assert (cache.octets > 0) is stored


def test_nothing_is_seen_before_the_end():
    cache = Cache(CacheSettings())
    recording = cache.begin(cache.lookup(ask(), at=AT), tell(FRESH), at=AT)
    recording.feed(b"hello")
    assert cache.lookup(ask(), at=AT).action is Action.FORWARD
    assert cache.octets > 5
    recording.drop()
    recording.drop()
    assert (recording.finish(), cache.octets, len(cache)) == (False, 0, 0)


def test_what_is_fed_is_copied():
    cache = Cache(CacheSettings())
    recording = cache.begin(cache.lookup(ask(), at=AT), tell(FRESH), at=AT)
    buffer = bytearray(b"hello")
    recording.feed(memoryview(buffer))
    buffer[:] = b"XXXXX"
    recording.finish()
    assert cache.lookup(ask(), at=AT).entry.body == b"hello"


def test_a_large_one_is_given_up_when_it_grows_or_at_once_when_it_says_so():
    cache = Cache(CacheSettings(max_entry_octets=10))
    lookup = cache.lookup(ask(), at=AT)
    assert cache.begin(lookup, tell(FRESH, length=11), at=AT) is None
    recording = cache.begin(lookup, tell(FRESH, length=None), at=AT)
    recording.feed(b"x" * 10)
    assert not recording.is_over
    recording.feed(b"x")
    assert (recording.is_over, cache.octets) == (True, 0)
    assert cache.counts.refused == {Refusal.TOO_LARGE: 1}
