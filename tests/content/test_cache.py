"""Keys, bounds, eviction, invalidation; and what an attacker may try."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gslb.content.cache import MAX_VARIANTS, Cache
from gslb.content.cache_rules import Action, Refusal
from gslb.content.entry import ENTRY_OCTETS
from gslb.content.origin import same_origin_target
from gslb.model.proxy import CacheSettings
from tests.content.heads import AT, ask, store, tell

FRESH = "Cache-Control: max-age=60"
PUBLIC = "Cache-Control: public, max-age=60"
KEY = (b"http", b"shop.example", b"/a/b?c")


def is_hit(cache, request, scheme=b"http"):
    return cache.lookup(request, at=AT, scheme=scheme).action is Action.SERVE


# ---------------------------------------------------------------- 1: keys


@pytest.mark.parametrize(
    ("request_", "scheme", "expected"),
    [
        pytest.param(ask(), b"http", True, id="the same"),
        pytest.param(ask(host="SHOP.example"), b"http", True, id="host in capitals"),
        pytest.param(ask(method="HEAD"), b"http", True, id="HEAD"),
        pytest.param(ask(), b"https", False, id="another scheme"),
        pytest.param(ask(host="evil.example"), b"http", False, id="another host"),
        pytest.param(ask(host="shop.example:81"), b"http", False, id="another port"),
        pytest.param(ask(target="/A"), b"http", False, id="target in capitals"),
        pytest.param(ask(target="/a?"), b"http", False, id="an empty query"),
        pytest.param(ask(target="/a?b"), b"http", False, id="a query"),
        pytest.param(ask(target="//a"), b"http", False, id="another path"),
        pytest.param(ask("Content-Length: 1"), b"http", False, id="GET with a body"),
        pytest.param(ask("Range: bytes=0-1"), b"http", False, id="a range"),
        pytest.param(ask("Content-Length: 0", method="POST"), b"http", False, id="POST"),
        pytest.param(ask("Authorization: Basic x"), b"http", False, id="Authorization"),
        pytest.param(ask("X-Forwarded-Host: evil.example"), b"http", True, id="set by us"),
    ],
)
def test_law_1_hosts_methods_and_authorizations_do_not_mix(request_, scheme, expected):
    cache = Cache(CacheSettings())
    store(cache, ask(), tell(FRESH))
    assert is_hit(cache, request_, scheme) is expected


def test_what_everybody_may_have_is_for_those_with_authorization_as_well():
    cache = Cache(CacheSettings())
    store(cache, ask("Authorization: Basic x"), tell(PUBLIC))
    assert is_hit(cache, ask("Authorization: Basic y"))
    assert is_hit(cache, ask())


def test_one_users_answer_is_for_nobody_else():
    cache = Cache(CacheSettings())
    assert store(cache, ask("Authorization: Basic x"), tell(FRESH)) is None
    assert not is_hit(cache, ask("Authorization: Basic x"))


def test_a_header_that_changes_the_answer_is_told_apart_where_vary_names_it():
    """Poisoning by a header outside the key: the backend that reads it must say so (law 6)."""
    cache = Cache(CacheSettings())
    evil = ask("X-Original-URL: /admin")
    store(cache, evil, tell(FRESH, "Vary: X-Original-URL"), body=b"admin")
    assert not is_hit(cache, ask())
    assert is_hit(cache, evil)


def test_errors_that_a_strange_request_provokes_are_not_stored():
    cache = Cache(CacheSettings())
    for status in (400, 405, 413, 414, 431, 500, 502, 503, 504):
        assert store(cache, ask("X-Big: 1"), tell(status=status)) is None
    assert len(cache) == 0


@given(
    first=st.tuples(*[st.text("ab/:?.", max_size=4)] * 2),
    second=st.tuples(*[st.text("ab/:?.", max_size=4)] * 2),
)
def test_law_1_no_two_targets_share_a_key(first, second):
    def request(host, path):
        made = ask()
        made.authority, made.target = host.encode(), b"/" + path.encode()
        return made

    cache = Cache(CacheSettings())
    store(cache, request(*first), tell(FRESH))
    assert is_hit(cache, request(*second)) is (first == second)


# ---------------------------------------------------------------- 2: bounds

STEPS = st.one_of(
    st.tuples(st.just("begin"), st.integers(0, 5), st.integers(0, 3)),
    st.tuples(st.just("feed"), st.integers(0, 9), st.integers(0, 3000)),
    st.tuples(st.just("finish"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("drop"), st.integers(0, 9), st.just(0)),
    st.tuples(st.just("invalidate"), st.integers(0, 5), st.just(0)),
    st.tuples(st.just("renew"), st.integers(0, 5), st.integers(0, 400)),
)


def _step(cache, recordings, step):
    name, which, number = step
    request = ask(f"A: {number}", target=f"/{which}")
    if name == "begin":
        lookup = cache.lookup(request, at=AT)
        begun = cache.begin(lookup, tell(FRESH, 'ETag: "x"', "Vary: A", length=None), at=AT)
        if begun is not None:
            recordings.append(begun)
    elif name == "invalidate":
        post = ask("Content-Length: 0", method="POST", target=f"/{which}")
        cache.invalidate(post, tell())
    elif name == "renew":
        lookup = cache.lookup(ask("A: 0", target=f"/{which}"), at=AT)
        if lookup.entry is not None:
            cache.freshen(lookup, tell("X: " + "x" * number, status=304), at=AT)
    elif recordings:
        recording = recordings[which % len(recordings)]
        if name == "feed":
            recording.feed(b"x" * number)
        else:
            getattr(recording, name)()


@settings(max_examples=200)
@given(st.integers(0, 12_000), st.lists(STEPS, max_size=40))
def test_law_2_what_is_held_never_exceeds_the_bound(max_octets, steps):
    cache = Cache(CacheSettings(max_octets=max_octets, max_entry_octets=4000))
    recordings = []
    for step in steps:
        _step(cache, recordings, step)
        held = sum(entry.octets for entry in cache._by_use)
        held += sum(each.octets for each in recordings if not each.is_over)
        assert cache.octets == held <= max_octets
        assert sum(map(len, cache._entries.values())) == len(cache)
    for each in recordings:
        each.drop()
    assert not cache._recordings


def test_law_2_the_least_recently_used_goes_first():
    cache = Cache(CacheSettings(max_octets=3 * (ENTRY_OCTETS + 600)))
    for target in ("/1", "/2", "/3"):
        assert store(cache, ask(target=target), tell(FRESH))
    assert is_hit(cache, ask(target="/1"))
    room = 3 * (ENTRY_OCTETS + 600) - cache.octets
    body = b"x" * (room + 1)
    assert store(cache, ask(target="/4"), tell(FRESH, length=len(body)), body=body)
    hits = [is_hit(cache, ask(target=f"/{number}")) for number in (1, 2, 3, 4)]
    assert hits[1] is False
    assert hits[3] is True
    assert cache.counts.evicted == 4 - len(cache)


def test_law_2_of_one_key_there_are_so_many_variants_and_no_more():
    cache = Cache(CacheSettings())
    for number in range(MAX_VARIANTS + 3):
        store(cache, ask(f"User-Agent: {number}"), tell(FRESH, "Vary: User-Agent"))
    found = [is_hit(cache, ask(f"User-Agent: {number}")) for number in range(MAX_VARIANTS + 3)]
    assert found == [False] * 3 + [True] * MAX_VARIANTS


def test_recordings_beyond_the_bound_are_given_up_and_the_first_goes_on():
    cache = Cache(CacheSettings(max_octets=ENTRY_OCTETS + 1200))
    first, second = (
        cache.begin(cache.lookup(ask(target=target), at=AT), tell(FRESH, length=None), at=AT)
        for target in ("/1", "/2")
    )
    assert second is None
    first.feed(b"hello")
    assert first.finish()
    assert cache.counts.refused == {Refusal.NO_ROOM: 1}


def test_a_recording_that_finds_no_room_evicts_nobody():
    cache = Cache(CacheSettings(max_octets=3 * (ENTRY_OCTETS + 600)))
    store(cache, ask(target="/kept"), tell(FRESH))
    recording = cache.begin(cache.lookup(ask(), at=AT), tell(FRESH, length=None), at=AT)
    recording.feed(b"x" * 4000)
    assert recording.is_over
    assert is_hit(cache, ask(target="/kept"))


def test_an_entry_that_a_304_makes_too_large_answers_once():
    cache = Cache(CacheSettings(max_octets=ENTRY_OCTETS + 1200))
    store(cache, ask(), tell(FRESH, 'ETag: "x"'))
    lookup = cache.lookup(ask("Cache-Control: no-cache"), at=AT)
    entry = cache.freshen(lookup, tell("X: " + "x" * 1200, status=304), at=AT)
    assert (entry.body, len(cache), cache.octets) == (b"hello", 0, 0)


def test_counts():
    cache = Cache(CacheSettings())
    store(cache, ask(), tell("Cache-Control: max-age=60, stale-while-revalidate=60", 'ETag: "x"'))
    cache.lookup(ask(), at=AT)
    cache.lookup(ask(), at=AT + 61)
    lookup = cache.lookup(ask("Cache-Control: no-cache"), at=AT)
    cache.freshen(lookup, tell(status=304), at=AT)
    cache.lookup(ask("Range: bytes=0-1"), at=AT)
    cache.invalidate(ask("Content-Length: 0", method="DELETE"), tell(status=204))
    counts = cache.counts
    assert (counts.misses, counts.hits, counts.stale_hits, counts.revalidations) == (1, 2, 1, 1)
    assert (counts.bypasses, counts.stored, counts.freshened) == (1, 1, 1)
    assert (counts.invalidated, counts.evicted, counts.refused) == (1, 0, {})


# ---------------------------------------------------------------- 3: invalidation


@pytest.mark.parametrize(
    ("method", "status", "lines", "gone"),
    [
        pytest.param("POST", 200, [], True, id="POST"),
        pytest.param("PUT", 201, [], True, id="PUT"),
        pytest.param("DELETE", 204, [], True, id="DELETE"),
        pytest.param("PATCH", 303, [], True, id="a redirect"),
        pytest.param("FROB", 200, [], True, id="what we do not know is unsafe"),
        pytest.param("POST", 400, [], False, id="refused"),
        pytest.param("POST", 500, [], False, id="failed"),
        pytest.param("GET", 200, [], False, id="GET"),
        pytest.param("OPTIONS", 200, [], False, id="OPTIONS"),
    ],
)
def test_section_4_4_what_invalidates(method, status, lines, gone):
    cache = Cache(CacheSettings())
    store(cache, ask(), tell(FRESH))
    request = ask("Content-Length: 0", method="POST")
    request.method = method.encode()
    cache.invalidate(request, tell(*lines, status=status))
    assert is_hit(cache, ask()) is not gone


@pytest.mark.parametrize(
    ("line", "gone"),
    [
        ("Location: /a", True),
        ("Content-Location: /a", True),
        ("Location: http://shop.example/a", True),
        ("Location: HTTP://SHOP.example/a#top", True),
        ("Location: //shop.example/a", True),
        ("Location: https://shop.example/a", False),
        ("Location: http://evil.example/a", False),
        ("Location: //evil.example/a", False),
        ("Location: http://x@shop.example/a", False),
        ("Location: /b", False),
    ],
)
def test_section_4_4_location_of_the_same_origin(line, gone):
    cache = Cache(CacheSettings())
    store(cache, ask(), tell(FRESH))
    cache.invalidate(ask("Content-Length: 0", method="POST", target="/list"), tell(line))
    assert is_hit(cache, ask()) is not gone


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (b"/x?y", b"/x?y"),
        (b"x", b"/a/x"),
        (b"./x", b"/a/x"),
        (b"../x", b"/x"),
        (b"../../x", b"/x"),
        (b"/x/./y/../z", b"/x/z"),
        (b"/x/..", b"/"),
        (b"?z", b"/a/b?z"),
        (b"", b"/a/b?c"),
        (b"#top", b"/a/b?c"),
        (b"http://shop.example", b"/"),
        (b"http://shop.example?q", b"/?q"),
        (b"mailto:a@b", None),
        (b"http:x", None),
    ],
    ids=repr,
)
def test_references(reference, expected):
    assert same_origin_target(KEY, reference) == expected


@given(st.binary(max_size=20))
def test_any_reference_is_a_target_or_none(reference):
    target = same_origin_target(KEY, reference)
    assert target is None or target.startswith(b"/")


def test_law_3_what_is_being_recorded_is_old_after_an_unsafe_request():
    cache = Cache(CacheSettings())
    recording = cache.begin(cache.lookup(ask(), at=AT), tell(FRESH), at=AT)
    cache.invalidate(ask("Content-Length: 0", method="PUT"), tell(status=204))
    recording.feed(b"hello")
    assert (recording.finish(), len(cache), cache.octets) == (False, 0, 0)


def test_law_3_all_variants_go():
    cache = Cache(CacheSettings())
    for number in range(3):
        store(cache, ask(f"A: {number}"), tell(FRESH, "Vary: A"))
    cache.invalidate(ask("Content-Length: 0", method="PUT"), tell(status=204))
    assert (len(cache), cache.counts.invalidated) == (0, 3)


# ---------------------------------------------------------------- any octets at all

LATIN = st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f")
VALUES = st.text(LATIN)
NAMES = st.sampled_from(
    ["Cache-Control", "Expires", "Date", "Age", "ETag", "Vary", "Last-Modified", "Pragma"]
)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=5), st.lists(st.tuples(NAMES, VALUES)))
def test_whatever_is_said_there_is_an_action_and_the_bound_holds(asked, told):
    cache = Cache(CacheSettings(max_octets=10_000))
    request = ask(*(f"{name}: {value}" for name, value in asked))
    response = tell(*(f"{name}: {value}" for name, value in told), dated=False)
    store(cache, request, response)
    assert cache.lookup(request, at=AT + 1).action in Action
    assert cache.octets <= 10_000
