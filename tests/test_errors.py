"""What the exceptions say, and as what they can be caught."""

from __future__ import annotations

import pytest

from londi import errors


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (errors.UnknownName("model", "x", []), LookupError),
        (errors.InvalidConfig("cost: expected a number"), ValueError),
        (errors.MissingExtra("sentence-transformers", "sentence"), ImportError),
        (errors.OutputExists("runs/a exists"), FileExistsError),
        (errors.ModelError("no such model"), errors.LondiError),
    ],
)
def test_each_is_a_londi_error_and_what_python_calls_it(
    error: errors.LondiError, builtin: type[Exception]
) -> None:
    assert isinstance(error, errors.LondiError)
    assert isinstance(error, builtin)
    assert len(str(error).splitlines()) == 1


def test_unknown_name_suggests_the_nearest() -> None:
    error = errors.UnknownName("method", "Allways", ["never", "always", "random"])
    assert str(error) == "unknown method 'Allways'; did you mean 'always'?"


def test_the_nearest_name_keeps_its_own_case() -> None:
    error = errors.UnknownName("environment", "gotolocal", ["GoToLocal", "Open"])
    assert str(error).endswith("did you mean 'GoToLocal'?")


def test_unknown_name_suggests_nothing_where_nothing_is_near() -> None:
    assert str(errors.UnknownName("method", "xyzzy", ["always"])) == "unknown method 'xyzzy'"
    assert str(errors.UnknownName("method", "a", iter(()))) == "unknown method 'a'"


def test_missing_extra_says_what_to_run() -> None:
    text = str(errors.MissingExtra("sentence-transformers", "sentence"))
    assert text == "sentence-transformers is not installed; run: pip install 'londi[sentence]'"
