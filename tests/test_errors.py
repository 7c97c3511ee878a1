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


def test_unknown_name_suggests_the_one_that_it_begins() -> None:
    error = errors.UnknownName("option", "--univ", ["--env", "--universal", "--unit"])
    assert str(error).endswith("did you mean '--universal'?")


def test_unknown_name_lists_few_names_where_none_is_near() -> None:
    few = errors.UnknownName("split", "3", ["train", "dev", "test"])
    assert str(few) == "unknown split '3'; expected one of train, dev, test"
    many = errors.UnknownName("split", "3", [f"name-{letter}" for letter in "abcdefghijklm"])
    assert str(many) == "unknown split '3'"
    assert str(errors.UnknownName("option", "a", iter(()))) == "unknown option 'a'; there are none"


def test_missing_extra_says_what_to_run() -> None:
    text = str(errors.MissingExtra("sentence-transformers", "sentence"))
    assert text == "sentence-transformers is not installed; run: pip install 'londi[sentence]'"
