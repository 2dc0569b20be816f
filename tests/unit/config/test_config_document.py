"""Where a key stands, however TOML lets one write it."""

import pytest
from hypothesis import given, settings, strategies as st

from aiges_loader.config.document import parse_document

TEXT = """\
# [fc] max = 1 is not a key here
top = 1

[fc] # flow control
able = 1
'max' = 1
prompt = '''
[fc]
ttl = 5
'''
ttl = 6
list = [
  1, # max = 3
  2,
]
roll = 7

[ "my svc" . 'x' ]
host = "="

["a.b"]
c.d.e = 1
c.d.f = 2
inline = { one = 1, two = { three = 3 } }
"quoted \\"key\\"" = \"\"\"

text\"\"\"
last = 1"""


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (["top"], 2),
        (["fc"], 4),
        (["fc", "able"], 5),
        (["fc", "max"], 6),
        (["fc", "prompt"], 7),
        (["fc", "ttl"], 11),
        (["fc", "list"], 12),
        (["fc", "roll"], 16),
        (["my svc"], 18),
        (["my svc", "x", "host"], 19),
        (["a.b", "c", "d", "f"], 23),
        (["a.b", "c"], 22),
        (["a.b", "inline", "two", "three"], 24),
        (["a.b", 'quoted "key"'], 25),
        (["a.b", "last"], 28),
        (["fc", "missing"], 4),
        (["a.b", "inline", "four"], 24),
        (["missing", "max"], 1),
        ([], 1),
    ],
)
def test_the_line_of_a_key_is_where_its_statement_begins(keys: list[str], line: int) -> None:
    document = parse_document("a.toml", TEXT)
    assert str(document.place(*keys)) == f"a.toml:{line}"
    windows = parse_document("a.toml", TEXT.replace("\n", "\r\n"))
    assert windows.place(*keys).line == line


_FILLING = [
    "",
    "# a = 1",
    "  # [s]",
    "x{} = 1",
    "x{} = '''\n\na = 1\n'''",
    "x{} = [\n1,\n\n2]",
    "[t{}]",
]


@settings(deadline=None)
@given(
    before=st.lists(st.sampled_from(_FILLING), max_size=8),
    within=st.lists(st.sampled_from(_FILLING[:-1]), max_size=8),
    after=st.lists(st.sampled_from(_FILLING), max_size=8),
)
def test_nothing_around_a_key_moves_its_line(
    before: list[str], within: list[str], after: list[str]
) -> None:
    def numbered(statements: list[str], mark: str) -> str:
        return "".join(
            statement.format(f"{mark}{number}") + "\n"
            for number, statement in enumerate(statements)
        )

    head = numbered(before, "b")
    body = numbered(within, "w")
    document = parse_document("a", f"{head}[s]\n{body}a = 1\n{numbered(after, 'c')}")
    section_line = head.count("\n") + 1
    assert document.place("s").line == section_line
    assert document.place("s", "a").line == section_line + body.count("\n") + 1


def test_a_key_in_a_long_file_is_found_in_few_parses() -> None:
    document = parse_document("a", "".join(f"key{number} = {number}\n" for number in range(2000)))
    assert document.place("key1234").line == 1235
    assert len(document._heads) < 40
