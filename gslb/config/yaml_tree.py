"""YAML text as plain data, and the line and column of every key and value in it.

Laws:
1. Any octets give a Tree, never an exception. What cannot be read has data None and at least one
   problem.
2. Only the scalars of YAML 1.2's core schema that JSON also has are more than text: true, false,
   null, decimal numbers. `NO`, `on`, `12:30`, `017`, `1_000` and `2024-01-01` are text. Keys are
   always text.
3. A key given twice is a problem that names both places; the first one counts.
4. Anchors and aliases are allowed inside fixed bounds; tags, merge keys and several documents are
   refused.
5. The bounds below hold whatever the file says, so that no file can take the memory or the stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

from gslb.config.finding import Finding, Path, dotted
from gslb.errors import Problem

MAX_DEPTH = 20
MAX_NODES = 100_000

Place = tuple[int, int]

_PLAIN = (
    "plain"  # the one tag that `resolve` gives, so that every other tag is one the operator wrote
)
_CONSTANTS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Tree:
    """One file: its plain data, where each key and value stands, and what was wrong with its form.

    file: the path as the user gave it. keys, values: path -> (line, column), both counted from 1. A
    mapping or list under a key stands where its key stands.
    """

    file: str
    data: Any = None
    keys: dict[Path, Place] = field(default_factory=dict)
    values: dict[Path, Place] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()

    def known(self, path: Path) -> Path:
        """The longest part of a path that stands in the file."""
        while path and path not in self.values:
            path = path[:-1]
        return path

    def problem(self, finding: Finding) -> Problem:
        """A finding with its place: where its path stands, or the part of the path that does."""
        path = self.known(finding.path)
        value = self.values.get(path, (1, 1))
        line, column = self.keys.get(path, value) if finding.at_key else value
        return Problem(self.file, line, column, dotted(path), finding.message)

    def path_of(self, text: str) -> Path:
        """The path that `dotted` writes as text, or the nearest one above it that stands in the
        file.

        Case and a final dot do not count: names come back from compiling in their plain form.
        """
        written = {dotted(path).casefold().rstrip("."): path for path in reversed(self.values)}
        text = text.casefold().rstrip(".")
        while text and text not in written:
            text = text.rpartition(".")[0]
        return written.get(text, ())


class _Refused(yaml.MarkedYAMLError):
    """A form that is YAML but not taken here."""


class _Loader(yaml.SafeLoader):
    """Composes nodes only, within bounds, and leaves what a scalar means to `_Grower`."""

    depth = 0
    count = 0

    def resolve(self, *_: object) -> str:
        """The same tag for every node without one: YAML 1.1's guesses are not made."""
        return _PLAIN

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node, refused once it lies too deep or there are too many."""
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        self.depth += 1
        self.count += 1
        _check_bounds(self.depth, self.count, mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


def _check_bounds(depth: int, count: int, mark: yaml.Mark | None) -> None:
    if depth > MAX_DEPTH:
        raise _Refused(problem=f"nested more than {MAX_DEPTH} levels deep", problem_mark=mark)
    if count > MAX_NODES:
        raise _Refused(
            problem=f"more than {MAX_NODES} values, counted with what aliases repeat",
            problem_mark=mark,
        )


def read_tree(octets: bytes, file: str) -> Tree:
    """The tree of a file's content; file: its path for messages."""
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = _place_in(octets[: error.start].decode("utf-8", "replace"))
        return _broken(file, place, "not UTF-8 text")
    return _parse(text, file)


def _parse(text: str, file: str) -> Tree:
    try:
        loader = _Loader(text)
    except yaml.reader.ReaderError as error:
        found = f"character U+{ord(text[error.position]):04X} is not allowed in YAML"
        return _broken(file, _place_in(text[: error.position]), found)
    try:
        node = loader.get_single_node()
        return _Grower(file).grow(node)
    except yaml.MarkedYAMLError as error:
        return _broken(file, _place(error.problem_mark or error.context_mark), _say(error))
    except (ValueError, OverflowError):  # PyYAML lets these through
        found = "not valid YAML: a number in an escape or directive is out of range"
        return _broken(file, _place(loader.get_mark()), found)


def _say(error: yaml.MarkedYAMLError) -> str:
    if isinstance(error, _Refused):
        return str(error.problem)
    if error.problem == "but found another document":
        return "only one YAML document is allowed in a file"
    said = " ".join(part for part in (error.context, error.problem) if part)
    hint = " (indent with spaces)" if "'\\t'" in said else ""
    return f"not valid YAML: {' '.join(said.split())}{hint}"


def _broken(file: str, place: Place, message: str) -> Tree:
    return Tree(file, problems=(Problem(file, *place, "", message),))


def _place(mark: Any) -> Place:
    return (mark.line + 1, mark.column + 1) if mark else (1, 1)


def _place_in(text: str) -> Place:
    """The place right after a text."""
    return text.count("\n") + 1, len(text) - text.rfind("\n")


class _Grower:
    """Turns composed nodes into data, and writes down where everything stands."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.count = 0
        self.keys: dict[Path, Place] = {}
        self.values: dict[Path, Place] = {}
        self.problems: dict[
            Problem, None
        ] = {}  # an aliased block is met more than once; an ordered set

    def grow(self, node: yaml.Node | None) -> Tree:
        """The tree under a root node; None is a file without a value."""
        data = None if node is None else self._value(node, ())
        return Tree(self.file, data, self.keys, self.values, tuple(self.problems))

    def _value(self, node: yaml.Node, path: Path) -> Any:
        self.count += 1
        _check_bounds(len(path) + 1, self.count, node.start_mark)
        self.values[path] = _place(node.start_mark)
        if node.tag != _PLAIN:
            self._complain(node, path, f"tags such as {node.tag} are not allowed")
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        data: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = self._key(key_node, path)
            if key is None:
                continue
            place = _place(key_node.start_mark)
            if key in data:
                line, column = self.keys[(*path, key)]
                found = f"the key {key!r} is given twice; it first stands at {line}:{column}"
                self._complain(key_node, (*path, key), found)
                continue
            self.keys[(*path, key)] = place
            data[key] = self._value(value_node, (*path, key))
            if not isinstance(value_node, yaml.ScalarNode):
                self.values[(*path, key)] = place
        return data

    def _key(self, node: yaml.Node, path: Path) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.value == "":
            self._complain(node, path, "a key must be text")
            return None
        if node.tag != _PLAIN:
            self._complain(node, path, f"tags such as {node.tag} are not allowed")
        if node.value == "<<" and node.style is None:
            self._complain(node, path, "merge keys (<<) are not supported; write the keys out")
            return None
        return self._text(node, path)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        return plain_value(node.value) if node.style is None else self._text(node, path)

    def _text(self, node: yaml.ScalarNode, path: Path) -> str:
        text = str(node.value)
        if _SURROGATE.search(text):
            self._complain(node, path, "half of a surrogate pair is not a character")
            return _SURROGATE.sub("?", text)
        return text

    def _complain(self, node: yaml.Node, path: Path, message: str) -> None:
        self.problems[Problem(self.file, *_place(node.start_mark), dotted(path), message)] = None


def plain_value(text: str) -> str | int | float | bool | None:
    """What an unquoted scalar means: a constant, a number, or itself."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and not text.lstrip("+-").isdigit():
        return float(text)
    return text
