"""Calls in a model's text: what is one, what is a message, and what is neither."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from londi.envs.toolcalls.calls import LONGEST, Call, IllFormed, read_call

KNOWN = {"cd", "mkdir", "sort"}


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ("cd(folder='document')", Call("cd", (), {"folder": "document"})),
        ("  cd( folder = 'document' ) \n", Call("cd", (), {"folder": "document"})),
        ("[cd(folder='document')]", Call("cd", (), {"folder": "document"})),
        ("`cd(folder='document')`", Call("cd", (), {"folder": "document"})),
        ("sort('a.pdf')", Call("sort", ("a.pdf",), {})),
        ("ls()", Call("ls", (), {})),
        (
            "lockDoors(unlock=True, door=['driver', None])",
            Call("lockDoors", (), {"unlock": True, "door": ["driver", None]}),
        ),
        ("add(a=-1.5, b={'x': (1, 2)})", Call("add", (), {"a": -1.5, "b": {"x": (1, 2)}})),
        ("cd(folder='it\\'s a (file).')", Call("cd", (), {"folder": "it's a (file)."})),
        ("cd(folder='a\\d')", Call("cd", (), {"folder": "a\\d"})),
    ],
)
def test_a_call_is_read(text: str, call: Call) -> None:
    assert read_call(text, KNOWN) == call


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Done.",
        "I moved the file(s) with mv(source='a').",
        "File(s) moved.",
        "f(x) is a function",
        "Done (I think).",
        "cd",
        "[]",
        "['a']",
        "print (1)",
        "3 + cd(folder='a')",
        "\0",
    ],
)
def test_any_other_text_is_a_message(text: str) -> None:
    assert read_call(text, KNOWN) is None


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cd(folder='document'", "which Python can read: "),
        ("cd(folder='document') and then ls", "which Python can read: "),
        ("cd(folder=document)", "expected literals as arguments"),
        ("cd(folder=f'{1}')", "expected literals as arguments"),
        ("cd(folder=__import__('os').getcwd())", "expected literals as arguments"),
        ("cd(folder=ls())", "expected literals as arguments"),
        ("other(x=[y for y in (1,)])", "expected literals as arguments"),
        ("cd(*['a'])", "expected literals as arguments"),
        ("cd(**{'folder': 'a'})", r"by its name or its place, got \*\*"),
        ("cd(folder='a', folder='b')", "the argument 'folder' once, got it twice"),
        ("[cd(folder='a'), ls()]", "expected one call at a time, got 2"),
        ("cd(folder='a').close()", "the name of a function in front of the arguments"),
        ("cd(folder='a') + 1", "and nothing else"),
        ("[cd(folder='a'), 1]", "expected calls alone in a list"),
        (f"cd(folder='{'a' * LONGEST}')", f"at most {LONGEST} characters, got 100"),
        (f"power(base=10, exponent={10**40 + 1})", "at most 40 digits"),
        (f"mean(numbers=[1, {{'a': -{10**41}}}])", "at most 40 digits"),
        ("cd(folder={'a', 'b'})", "expected a list in place of a set"),
        ("cd(folder=[{1}])", "expected a list in place of a set"),
        (r"cd(folder='\ud83d\ude00')", "expected Unicode in texts"),
        (r"cd(folder=[{'\ud83d': 1}])", "expected Unicode in texts"),
        ("cd(folder=" + "[" * 150 + "]" * 150 + ")", None),
        ("cd(folder=" + "[" * 900 + "]" * 900 + ")", "which Python can read: "),
        ("cd(folder=" + "-" * 9000 + "1)", "which Python can read: |literals as arguments"),
        ("cd(folder='a'" + "+'a'" * 2400 + ")", "literals as arguments|can read"),
    ],
)
def test_a_call_that_cannot_be_made_says_why(text: str, reason: str | None) -> None:
    if reason is None:
        assert read_call(text, KNOWN) is not None
        return
    with pytest.raises(IllFormed, match=reason) as raised:
        read_call(text, KNOWN)
    assert "\n" not in str(raised.value)


def test_a_broken_call_of_no_known_function_is_a_message() -> None:
    assert read_call("see(the report", KNOWN) is None
    with pytest.raises(IllFormed):
        read_call("see(the report", {"see"})


@given(st.text(max_size=200))
def test_any_text_is_a_call_a_message_or_ill_formed(text: str) -> None:
    try:
        made = read_call(text, KNOWN)
    except IllFormed:
        return
    assert made is None or isinstance(made, Call)


@given(st.text(alphabet="cd('a\"=[]{}()*,:-1.e#\\\n)", max_size=60))
def test_no_text_that_begins_as_a_call_raises_anything_else(text: str) -> None:
    try:
        read_call(f"cd({text})", KNOWN)
    except IllFormed as error:
        assert "\n" not in str(error)


LITERALS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**40), 10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.lists(LITERALS, max_size=3), st.dictionaries(st.sampled_from("abc"), LITERALS))
def test_what_python_writes_is_read_back(positional: list[Any], named: dict[str, Any]) -> None:
    written = ", ".join([*map(repr, positional), *(f"{k}={v!r}" for k, v in named.items())])
    assert read_call(f"f({written})", ()) == Call("f", tuple(positional), named)
