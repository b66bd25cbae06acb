# ruff: noqa: E501 - a row is read best on one line
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gslb.config.finding import Finding
from gslb.config.yaml_tree import MAX_DEPTH, MAX_NODES, plain_value, read_tree


def read(text: str | bytes):
    return read_tree(text if isinstance(text, bytes) else text.encode(), "f.yaml")


def rows(text: str | bytes) -> list[str]:
    return [str(problem).removeprefix("f.yaml:") for problem in read(text).problems]


@pytest.mark.parametrize(
    "text",
    ["NO", "no", "yes", "on", "off", "y", "12:30", "1:30", "017", "0o17", "0x1F", "1_000", "+",
     "2024-01-01", ".inf", ".nan", "1e", "-", "1.2.3", "9" * 20, "tRue", "nULL"],
)  # fmt: skip
def test_plain_value_when_yaml_1_1_would_guess_is_text(text):
    assert plain_value(text) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [("", None), ("~", None), ("null", None), ("true", True), ("False", False), ("0", 0),
     ("-12", -12), ("+7", 7), ("1.5", 1.5), ("-.5", -0.5), ("1e3", 1000.0), ("2.", 2.0)],
)  # fmt: skip
def test_plain_value_when_core_schema_has_it(text, value):
    found = plain_value(text)
    assert found == value
    assert type(found) is type(value)


def test_quoted_scalars_and_keys_are_text():
    assert read("a: '1'\n2: \"true\"\nNO: 'null'\nnull: 3").data == {
        "a": "1",
        "2": "true",
        "NO": "null",
        "null": 3,
    }


def test_places_of_keys_and_values():
    tree = read("a: 1\nb:\n  c: [x, yy]\n  d: {e: 2}\n")
    assert tree.keys == {("a",): (1, 1), ("b",): (2, 1), ("b", "c"): (3, 3), ("b", "d"): (4, 3),
                         ("b", "d", "e"): (4, 7)}  # fmt: skip
    assert tree.values == {(): (1, 1), ("a",): (1, 4), ("b",): (2, 1), ("b", "c"): (3, 3),
                           ("b", "c", 0): (3, 7), ("b", "c", 1): (3, 10), ("b", "d"): (4, 3),
                           ("b", "d", "e"): (4, 10)}  # fmt: skip


def test_problem_when_path_is_not_in_file_stands_at_the_nearest_above():
    problem = read("a:\n  b: 1\n").problem(Finding(("a", "x", 3), "wrong"))
    assert str(problem) == "f.yaml:1:1: a: wrong"


@pytest.mark.parametrize(
    ("text", "path"),
    [("services.a.b", ("services", "a.b")), ("services.WWW", ("services", "www")),
     ("services.ns", ("services", "ns.")), ("services.none", ("services",)), ("x.y", ())],
)  # fmt: skip
def test_path_of_dotted_text(text, path):
    assert read("services: {a.b: 1, www: 2, ns.: 3}").path_of(text) == path


def test_alias_when_used_twice_repeats_value_with_places_of_the_anchor():
    tree = read("a: &x {b: 1}\nc: *x\n")
    assert tree.data == {"a": {"b": 1}, "c": {"b": 1}}
    assert tree.values["c", "b"] == (1, 11)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: 1\nb: 2\na: 3\n", ["3:1: a: the key 'a' is given twice; it first stands at 1:1"]),
        (
            "x: {k: 1, k: 2}\ny: {k: 3, k: 4}",
            [
                "1:11: x.k: the key 'k' is given twice; it first stands at 1:5",
                "2:11: y.k: the key 'k' is given twice; it first stands at 2:5",
            ],
        ),
        ("a: !!str 1", ["1:4: a: tags such as tag:yaml.org,2002:str are not allowed"]),
        ("a: !x {}", ["1:4: a: tags such as !x are not allowed"]),
        (
            "a: &x {b: 1}\nc: {<<: *x}",
            ["2:5: c: merge keys (<<) are not supported; write the keys out"],
        ),
        ("? [a]\n: 1", ["1:3: a key must be text"]),
        ('"": 1', ["1:1: a key must be text"]),
        ("a: 1\n---\nb: 2\n", ["2:1: only one YAML document is allowed in a file"]),
        (
            "a: [1,\nb: }",
            [
                "2:4: not valid YAML: while parsing a flow node expected the node content, but found '}'"
            ],
        ),
        (
            "a:\n\t- 1",
            [
                "2:1: not valid YAML: while scanning for the next token found character '\\t' that cannot start any token (indent with spaces)"
            ],
        ),
        ("a: b: c", ["1:5: not valid YAML: mapping values are not allowed here"]),
        ("a: *x", ["1:4: not valid YAML: found undefined alias 'x'"]),
        ("a: 1\nb: \x00", ["2:4: character U+0000 is not allowed in YAML"]),
        (b"a: 1\nb: x\xff", ["2:5: not UTF-8 text"]),
        ('a: "\\ud800"', ["1:4: a: half of a surrogate pair is not a character"]),
        ('a: "\\U7FFFFFFF"', ["1:7: not valid YAML: a number in an escape or directive is out of range"]),
        ("&a [*a]", [f"1:1: nested more than {MAX_DEPTH} levels deep"]),
        ("[" * 3000, [f"1:{MAX_DEPTH + 1}: nested more than {MAX_DEPTH} levels deep"]),
    ],
)  # fmt: skip
def test_problems_of_form(text, expected):
    assert rows(text) == expected


def test_depth_when_at_the_limit_is_allowed():
    assert rows("[" * (MAX_DEPTH - 1) + "1" + "]" * (MAX_DEPTH - 1)) == []


def test_aliases_when_they_multiply_are_refused():
    laughs = "a0: &a0 [1,1,1,1,1,1,1,1,1,1]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    assert [row.partition(": ")[2] for row in rows(laughs)] == [
        f"more than {MAX_NODES} values, counted with what aliases repeat"
    ]


def test_byte_order_mark_is_skipped():
    assert read(b"\xef\xbb\xbfa: 1").data == {"a": 1}


@given(
    st.binary(max_size=200)
    | st.text(alphabet="ab:-[]{}&*!|>'\"%#?,\n\t \\U0<~", max_size=60).map(str.encode)
)
def test_any_octets_give_a_tree(octets):
    tree = read_tree(octets, "f.yaml")
    assert tree.data is None or () in tree.values
    assert all(problem.line >= 1 and problem.column >= 1 for problem in tree.problems)
