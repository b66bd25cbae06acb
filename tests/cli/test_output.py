import io

from rich.console import Console

from gslb.cli.output import count, show, styled


def test_line_in_a_pipe_is_plain_and_never_wrapped(capsys):
    line = "x" * 300 + " [red] :smile:"
    show({}, [styled((line, "bold red"))], as_json=False)
    assert capsys.readouterr().out == line + "\n"


def test_line_on_a_terminal_has_its_style():
    out = io.StringIO()
    Console(file=out, force_terminal=True, color_system="standard").print(styled(("a", "red"), "b"))
    assert out.getvalue() == "\x1b[31ma\x1b[0mb\n"


def test_json_is_printed_instead_of_lines(capsys):
    show({"a": ["ü"]}, ["line"], as_json=True)
    assert capsys.readouterr().out == '{\n  "a": [\n    "ü"\n  ]\n}\n'


def test_count():
    assert [count(number, "zone") for number in (0, 1, 2)] == ["0 zones", "1 zone", "2 zones"]
