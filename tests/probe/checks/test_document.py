import pytest

from gslb.probe.checks.document import find_difference

BODY = (
    b'{"status": "ok", "db": {"lag": 0, "ready": true, "peers": ["a", {"n": 1.5}]}, "none": null}'
)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("status", "ok"),
        ("db.lag", 0),
        ("db.lag", 0.0),
        ("db.ready", True),
        ("db.peers.0", "a"),
        ("db.peers.1.n", 1.5),
        ("none", None),
    ],
)
def test_what_is_as_expected_makes_no_difference(path, value):
    assert find_difference(BODY, [(path, value)]) == ""


@pytest.mark.parametrize(
    ("path", "value", "difference"),
    [
        ("status", "down", 'JSON: status is "ok", expected "down"'),
        ("db.lag", False, "JSON: db.lag is 0, expected false"),
        ("db.lag", "0", 'JSON: db.lag is 0, expected "0"'),
        ("db.lag", None, "JSON: db.lag is 0, expected null"),
        ("db.ready", 1, "JSON: db.ready is true, expected 1"),
        ("db.ready", "true", 'JSON: db.ready is true, expected "true"'),
        ("none", False, "JSON: none is null, expected false"),
        ("none", "", 'JSON: none is null, expected ""'),
        ("db", "x", 'JSON: db is an object, expected "x"'),
        ("db.peers", None, "JSON: db.peers is an array, expected null"),
        ("db.peers.2", "a", "JSON: there is no db.peers.2"),
        ("db.peers.-1", "a", "JSON: there is no db.peers.-1"),
        ("db.peers.\u0661", "a", "JSON: there is no db.peers.\u0661"),
        ("db.peers.length", 2, "JSON: there is no db.peers.length"),
        ("db.peers." + "9" * 5000, 2, "JSON: there is no db.peers." + "9" * 5000),
        ("status.0", "o", "JSON: there is no status.0"),
        ("missing", None, "JSON: there is no missing"),
    ],
)
def test_what_differs_is_told(path, value, difference):
    assert find_difference(BODY, [("status", "ok"), (path, value)]) == difference


def test_integers_too_large_for_a_float_are_compared_exactly():
    body = b'{"n": 9007199254740993}'
    assert find_difference(body, [("n", 9007199254740993)]) == ""
    assert find_difference(body, [("n", 9007199254740992)]) != ""


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"ok", id="text"),
        pytest.param(b'{"a": 1', id="cut off"),
        pytest.param(b'{"a": NaN}', id="NaN"),
        pytest.param(b'{"a": -Infinity}', id="infinity"),
        pytest.param(b'{"a": "\xff"}', id="no UTF-8"),
        pytest.param(b'{"a": ' + b"9" * 60_000 + b"}", id="a number of 60,000 digits"),
        pytest.param(b"[" * 100_000, id="100,000 arrays"),
        pytest.param(b'{"a":' * 50_000, id="50,000 objects"),
        pytest.param(b"[" * 30_000 + b"]" * 30_000, id="balanced arrays"),
    ],
)
def test_what_is_no_json_differs_from_everything(body):
    assert find_difference(body, [("a", None)]).startswith("the body is not ")


def test_whatever_a_path_meets_is_a_difference_and_no_error():
    for document in (b"1", b'"a"', b"null", b"[]", b"{}", b"[[1]]", b'{"": {"": 1}}'):
        assert find_difference(document, [("a.0", 1)]) == "JSON: there is no a.0"
