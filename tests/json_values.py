"""Any JSON, for requests that nobody meant."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st


def json_values(
    numbers: st.SearchStrategy[Any], keys: tuple[str, ...], leaves: int
) -> st.SearchStrategy[Any]:
    """Values of JSON with some numbers, whose objects have some of `keys`."""
    return st.recursive(
        st.none() | st.booleans() | numbers | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(keys), inner, max_size=4)
        ),
        max_leaves=leaves,
    )
