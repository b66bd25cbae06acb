"""What a cache answers with: freshness, wishes, Vary, revalidation, conditions, HEAD."""

import pytest

from gslb.content.answer import entry_response
from gslb.content.cache import Cache, revalidation
from gslb.content.cache_rules import REFRESH_AGAIN_S, Action
from gslb.http1.compose import compose_response
from gslb.model.proxy import CacheSettings
from tests.content.heads import AT, ask, date, store, tell

TAGGED = 'ETag: "x"'
OLD = f"Last-Modified: {date(-1000)}"
SERVE, REFRESH, REVALIDATE = Action.SERVE, Action.REFRESH, Action.REVALIDATE
FORWARD, REFUSE, BYPASS = Action.FORWARD, Action.REFUSE, Action.BYPASS


def filled(*lines, request=None, **options):
    cache = Cache(CacheSettings())
    assert store(cache, request or ask(), tell(*lines, **options))
    return cache


def control(value):
    return f"Cache-Control: {value}"


@pytest.mark.parametrize(
    ("terms", "wishes", "age_s", "expected"),
    [
        # 4.2: fresh or not
        ("max-age=60", None, 0, SERVE),
        ("max-age=60", None, 59.9, SERVE),
        ("max-age=60", None, 60, REVALIDATE),
        ("max-age=60, s-maxage=10", None, 10, REVALIDATE),
        # 5.2.1.1 max-age
        ("max-age=60", "max-age=10", 10, SERVE),
        ("max-age=60", "max-age=10", 11, REVALIDATE),
        ("max-age=60", "max-age=0", 1, REVALIDATE),
        ("max-age=60", "max-age=x", 1, REVALIDATE),
        # 5.2.1.2 max-stale
        ("max-age=60", "max-stale=10", 70, SERVE),
        ("max-age=60", "max-stale=10", 71, REVALIDATE),
        ("max-age=60", "max-stale", 10**6, SERVE),
        ("max-age=60", "max-stale=x", 60, REVALIDATE),
        ("max-age=60, must-revalidate", "max-stale", 61, REVALIDATE),
        ("max-age=60, proxy-revalidate", "max-stale", 61, REVALIDATE),
        ("s-maxage=60", "max-stale", 61, REVALIDATE),
        ("no-cache, max-age=60", "max-stale", 1, REVALIDATE),
        # 5.2.1.3 min-fresh
        ("max-age=60", "min-fresh=10", 50, SERVE),
        ("max-age=60", "min-fresh=10", 51, REVALIDATE),
        # 5.2.1.4 no-cache, 5.2.1.5 no-store
        ("max-age=60", "no-cache", 1, REVALIDATE),
        ("max-age=60", "no-store", 1, SERVE),
        # 5.2.1.7 only-if-cached
        ("max-age=60", "only-if-cached", 1, SERVE),
        ("max-age=60", "only-if-cached", 61, REFUSE),
        ("max-age=60", "only-if-cached, max-stale=9", 61, SERVE),
        ("max-age=60", "only-if-cached, no-cache", 1, REFUSE),
        # 5.2.2.4 no-cache of the answer, whole or for a field
        ("no-cache, max-age=60", None, 0, REVALIDATE),
        ('no-cache="x", max-age=60', None, 0, REVALIDATE),
        # RFC 5861 3
        ("max-age=60, stale-while-revalidate=30", None, 59, SERVE),
        ("max-age=60, stale-while-revalidate=30", None, 60, REFRESH),
        ("max-age=60, stale-while-revalidate=30", None, 90, REFRESH),
        ("max-age=60, stale-while-revalidate=30", None, 91, REVALIDATE),
        ("max-age=60, stale-while-revalidate=30", "no-cache", 61, REVALIDATE),
        ("max-age=60, stale-while-revalidate=30", "max-age=9", 61, REVALIDATE),
        ("max-age=60, stale-while-revalidate=30", "only-if-cached", 61, SERVE),
        ("max-age=60, stale-while-revalidate=30, must-revalidate", None, 61, REVALIDATE),
        ("s-maxage=60, stale-while-revalidate=30", None, 61, REVALIDATE),
    ],
)
def test_laws_10_to_12_of_the_rules(terms, wishes, age_s, expected):
    cache = filled(control(terms), TAGGED)
    request = ask(control(wishes)) if wishes else ask()
    assert cache.lookup(request, at=AT + age_s).action is expected


def test_nothing_stored():
    cache = Cache(CacheSettings())
    assert cache.lookup(ask(), at=AT).action is FORWARD
    assert cache.lookup(ask(control("only-if-cached")), at=AT).action is REFUSE
    assert cache.lookup(ask("Range: bytes=0-1"), at=AT).action is BYPASS
    assert cache.lookup(ask("Range: bytes=0-1", control("only-if-cached")), at=AT).action is REFUSE


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("Pragma: no-cache", REVALIDATE, id="as no-cache"),
        pytest.param("Pragma: x", SERVE, id="another"),
        pytest.param("Pragma: no-cache\r\nCache-Control: max-age=60", SERVE, id="overruled"),
    ],
)
def test_section_5_4_pragma(line, expected):
    assert filled(control("max-age=60")).lookup(ask(line), at=AT).action is expected


def test_a_clock_that_goes_back_makes_nothing_younger():
    cache = filled(control("max-age=60"), "Age: 30")
    assert cache.lookup(ask(), at=AT - 1000).entry.age_s(AT - 1000) == 30


def test_one_at_a_time_is_told_to_refresh():
    cache = filled(control("max-age=60, stale-while-revalidate=1000"), TAGGED)
    times = (61, 62, 61 + REFRESH_AGAIN_S, 62 + REFRESH_AGAIN_S)
    found = [cache.lookup(ask(), at=AT + each).action for each in times]
    assert found == [REFRESH, SERVE, REFRESH, SERVE]


@pytest.mark.parametrize(
    ("terms", "wishes", "age_s", "expected"),
    [
        pytest.param("max-age=60, stale-if-error=30", None, 90, True, id="within"),
        pytest.param("max-age=60, stale-if-error=30", None, 91, False, id="beyond"),
        pytest.param("max-age=60", None, 61, False, id="not allowed"),
        pytest.param("max-age=60", None, 60, False, id="not allowed, just stale"),
        pytest.param("max-age=60", "stale-if-error=30", 90, True, id="asked for"),
        pytest.param("max-age=60, stale-if-error=30", "no-cache", 61, False, id="no-cache"),
        pytest.param("max-age=60, stale-if-error=30", "max-age=1", 61, False, id="max-age"),
        pytest.param(
            "max-age=60, stale-if-error=30, must-revalidate", None, 61, False, id="forbidden"
        ),
        pytest.param("no-cache, stale-if-error=30", None, 1, False, id="no-cache of the answer"),
    ],
)
def test_rfc_5861_4_after_an_error(terms, wishes, age_s, expected):
    cache = filled(control(terms), TAGGED)
    lookup = cache.lookup(ask(control(wishes)) if wishes else ask(), at=AT + age_s)
    assert lookup.may_serve_on_error is expected


def test_without_an_entry_nothing_is_served_on_error():
    assert not Cache(CacheSettings()).lookup(ask(), at=AT).may_serve_on_error


# ---------------------------------------------------------------- 4.1: Vary


@pytest.mark.parametrize(
    ("vary", "stored", "asked", "is_hit"),
    [
        ("Accept-Encoding", "Accept-Encoding: gzip, br", "Accept-Encoding: br,gzip", True),
        ("Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: GZIP", True),
        ("Accept-Encoding", "Accept-Encoding: gzip", "Accept-Encoding: br", False),
        ("Accept-Encoding", "Accept-Encoding: gzip", "A: 1", False),
        ("Accept-Encoding", "A: 1", "Accept-Encoding: gzip", False),
        ("Accept-Encoding", "A: 1", "A: 2", True),
        ("accept-language", "Accept-Language: de, en", "Accept-Language: de,en", True),
        ("accept-language", "Accept-Language: de, en", "Accept-Language: en, de", False),
        ("Cookie", "Cookie: a=1", "Cookie: a=1", True),
        ("Cookie", "Cookie: a=1", "Cookie: a=2", False),
        ("X-Version", "X-Version: a,b", "X-Version: a, b", False),
        ("X-Version", "X-Version: A", "X-Version: a", False),
        ("Origin, X-Version", "Origin: a", "Origin: a", True),
        ("Origin, X-Version", "Origin: a", "Origin: a\r\nX-Version: 1", False),
    ],
)
def test_section_4_1_vary(vary, stored, asked, is_hit):
    cache = filled(control("max-age=60"), f"Vary: {vary}", request=ask(stored))
    assert cache.lookup(ask(asked), at=AT).action is (SERVE if is_hit else FORWARD)


def test_section_4_1_variants_stand_beside_each_other_and_the_newest_is_taken():
    cache = Cache(CacheSettings())
    for coding in ("gzip", "br"):
        lines = (control("max-age=60"), "Vary: Accept-Encoding")
        store(cache, ask(f"Accept-Encoding: {coding}"), tell(*lines), body=f"{coding:5}".encode())
    store(cache, ask(), tell(control("max-age=60")), body=b"plain")  # varies no more
    found = [cache.lookup(ask(line), at=AT).entry.body for line in ("Accept-Encoding: br", "A: 1")]
    assert (found, len(cache)) == ([b"plain", b"plain"], 3)


# ---------------------------------------------------------------- 4.3: validation


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        pytest.param([TAGGED], [b'If-None-Match: "x"'], id="tag"),
        pytest.param([OLD], [b"If-Modified-Since: " + date(-1000).encode()], id="date"),
        pytest.param(
            [TAGGED, OLD],
            [b'If-None-Match: "x"', b"If-Modified-Since: " + date(-1000).encode()],
            id="both",
        ),
        pytest.param([f"Expires: {date(1)}"], [], id="neither"),
    ],
)
def test_section_4_3_1_our_conditions_replace_the_clients(lines, expected):
    cache = filled(*lines)
    lookup = cache.lookup(ask('If-None-Match: "y"', "A: 1", control("no-cache")), at=AT)
    asked = revalidation(lookup)
    assert asked.raw == [b"Host: shop.example", b"A: 1", b"Cache-Control: no-cache", *expected]


def test_section_4_3_1_without_an_entry_the_clients_conditions_go_on():
    lookup = Cache(CacheSettings()).lookup(ask('If-None-Match: "y"'), at=AT)
    assert revalidation(lookup) is lookup.visit.request


def stale(cache, *lines, after_s=100):
    return cache.lookup(ask(*lines), at=AT + after_s)


def test_section_4_3_4_a_304_renews():
    cache = filled(control("max-age=60"), TAGGED, "X-Old: 1", "X-Both: 1", "Content-Type: a/b")
    news = (control("max-age=30"), TAGGED, "X-Both: 2", "Content-Type: c/d", f"Date: {date(100)}")
    entry = cache.freshen(stale(cache), tell(*news, status=304, dated=False), at=AT + 100)
    assert cache.lookup(ask(), at=AT + 129).entry is entry
    assert cache.lookup(ask(), at=AT + 130).action is REVALIDATE
    assert (entry.body, entry.status, len(cache)) == (b"hello", 200, 1)
    assert set(entry.raw) == {
        *(b"X-Old: 1", b"X-Both: 2", b"Content-Type: a/b", b"Cache-Control: max-age=30"),
        *(b'ETag: "x"', b"Date: " + date(100).encode()),
    }


def test_section_4_3_4_a_304_without_a_date_is_of_now():
    cache = filled(control("max-age=60"), TAGGED)
    entry = cache.freshen(stale(cache), tell(status=304, dated=False), at=AT + 100)
    assert (entry.age_s(AT + 100), entry.fresh_s(AT + 110)) == (0, 50)


def test_section_4_3_4_a_304_about_another_one_is_none():
    cache = filled(control("max-age=60"), TAGGED)
    found = cache.freshen(stale(cache), tell('ETag: "y"', status=304), at=AT + 100)
    assert (found, len(cache), cache.octets) == (None, 0, 0)


def test_section_4_3_4_a_weak_tag_is_about_the_strong_one():
    cache = filled(control("max-age=60"), TAGGED)
    assert cache.freshen(stale(cache), tell('ETag: W/"x"', status=304), at=AT + 100) is not None


@pytest.mark.parametrize(
    "line",
    [control("no-store"), control("private"), "Set-Cookie: a=b", "Vary: *"],
    ids=lambda line: line.split(":")[1],
)
def test_law_4_a_304_that_is_for_one_answers_once_and_is_kept_no_more(line):
    cache = filled(control("max-age=60"), TAGGED)
    entry = cache.freshen(stale(cache), tell(line, status=304), at=AT + 100)
    assert line.encode() in entry_response(entry, ask(), at=AT + 100).response.raw
    assert (entry.body, entry.is_stored, len(cache), cache.octets) == (b"hello", False, 0, 0)


def test_a_304_does_not_bring_back_what_was_invalidated():
    cache = filled(control("max-age=60"), TAGGED)
    lookup = stale(cache)
    cache.invalidate(ask("Content-Length: 0", method="POST"), tell(), scheme=b"http")
    assert cache.freshen(lookup, tell(status=304), at=AT + 100).body == b"hello"
    assert len(cache) == 0


def test_law_5_another_answer_replaces_the_old_one():
    cache = filled(control("max-age=60"), TAGGED)
    recording = cache.begin(stale(cache), tell(control("max-age=60")), at=AT + 100)
    recording.feed(b"newer")
    assert recording.finish()
    assert (cache.lookup(ask(), at=AT + 100).entry.body, len(cache)) == (b"newer", 1)


@pytest.mark.parametrize(("status", "kept"), [(200, 0), (404, 0), (403, 0), (500, 1), (503, 1)])
def test_law_5_an_answer_that_is_not_stored_takes_the_old_one_along(status, kept):
    cache = filled(control("max-age=60"), TAGGED)
    assert cache.begin(stale(cache), tell(control("no-store"), status=status), at=AT + 100) is None
    assert len(cache) == kept


# ---------------------------------------------------------------- answers


def answer(cache, *lines, method="GET", at=AT):
    request = ask(*lines, method=method)
    return entry_response(cache.lookup(request, at=at).entry, request, at=at)


def test_section_5_1_a_whole_answer():
    cache = filled(control("max-age=60"), TAGGED, "Age: 3")
    found = answer(cache, at=AT + 4.9)
    assert found.response.raw == [
        *(f"Date: {date()}".encode(), control("max-age=60").encode(), TAGGED.encode()),
        *(b"Age: 7", b"Content-Length: 5"),
    ]
    assert (found.response.status, found.body) == (200, b"hello")
    head = compose_response(
        found.response, version=11, body=len(found.body), keep_alive=True, changes=None
    )
    assert head.count(b"Content-Length: 5") == 1


def test_head_has_the_length_and_no_body():
    found = answer(filled(control("max-age=60")), method="HEAD")
    assert (found.response.fields[b"content-length"], found.body) == (b"5", b"")
    assert found.response.body == 0


def test_204_has_no_length():
    cache = Cache(CacheSettings())
    assert store(cache, ask(), tell(control("max-age=60"), status=204), body=b"")
    assert b"content-length" not in answer(cache).response.fields


@pytest.mark.parametrize(
    ("asked", "is_304"),
    [
        pytest.param(['If-None-Match: "x"'], True, id="the tag"),
        pytest.param(['If-None-Match: W/"x"'], True, id="weak comparison"),
        pytest.param(['If-None-Match: "y", "x"'], True, id="one of several"),
        pytest.param(["If-None-Match: *"], True, id="any"),
        pytest.param(['If-None-Match: "y"'], False, id="another"),
        pytest.param(["If-None-Match: x"], False, id="no tag"),
        pytest.param([f"If-Modified-Since: {date(-1000)}"], True, id="not modified since"),
        pytest.param([f"If-Modified-Since: {date(-1001)}"], False, id="modified since"),
        pytest.param(["If-Modified-Since: x"], False, id="no date"),
        pytest.param(
            ['If-None-Match: "y"', f"If-Modified-Since: {date()}"], False, id="tags beat dates"
        ),
        pytest.param([], False, id="no condition"),
    ],
)
def test_section_4_3_2_conditions(asked, is_304):
    found = answer(filled(control("max-age=60"), TAGGED, OLD, "Content-Type: a/b"), *asked)
    assert (found.response.status == 304) is is_304
    assert (found.body == b"") is is_304
    assert (b"content-type" in found.response.fields) is not is_304
    assert found.response.fields[b"etag"] == b'"x"'


def test_section_4_3_2_conditions_are_not_for_errors():
    cache = filled(control("max-age=60"), TAGGED, status=404)
    assert answer(cache, "If-None-Match: *").response.status == 404


# ---------------------------------------------------------------- who may wait for somebody else


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param(ask(), True, id="a plain GET"),
        pytest.param(ask(method="HEAD"), False, id="HEAD stores nothing"),
        pytest.param(ask("Range: bytes=0-1"), False, id="bypass"),
        pytest.param(ask("Authorization: Basic x"), False, id="Authorization"),
        pytest.param(ask(control("no-cache")), False, id="no-cache"),
        pytest.param(ask(control("max-age=0")), False, id="max-age"),
        pytest.param(ask(control("no-store")), False, id="no-store"),
        pytest.param(ask(control("only-if-cached")), False, id="refused"),
    ],
)
def test_who_may_wait(request_, expected):
    assert Cache(CacheSettings()).lookup(request_, at=AT).may_wait is expected


def test_who_revalidates_may_wait_and_who_is_answered_need_not():
    cache = filled(control("max-age=60"), TAGGED)
    assert [cache.lookup(ask(), at=AT + each).may_wait for each in (1, 61)] == [False, True]
