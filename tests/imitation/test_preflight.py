"""What a training checks of folders, libraries and the device before anything is played."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from londi.config import FinetuneConfig
from londi.errors import InvalidConfig, LondiError, OutputExists
from londi.imitation.demonstrations import Demonstration, demonstrations_file, save_demonstrations
from londi.imitation.preflight import check_folders, check_machine, check_phrases
from londi.storage.runs import create_run


@pytest.fixture
def lender(
    tiny_config: FinetuneConfig, demonstrations: list[Demonstration], tmp_path: Path
) -> Path:
    """A run that has recorded demonstrations."""
    folder = tmp_path / "lender"
    create_run(folder, tiny_config)
    save_demonstrations(demonstrations_file(folder, 0), demonstrations)
    return folder


def test_demonstrations_of_the_same_kind_may_be_borrowed(
    tiny_config: FinetuneConfig, lender: Path, tmp_path: Path
) -> None:
    """Of a run with another shape and another number of steps, say."""
    config = replace(tiny_config, demonstrations=str(lender), d_ff=64, steps=9, learning_rate=0.1)
    check_folders(config, tmp_path / "run", overwrite=False)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"episodes": 7}, r"expected a run with episodes = 7, got \d+ in"),
        ({"noise": (0.5,)}, r"expected a run with noise = \(0.5,\), got"),
        ({"seed": 3}, "expected a run with seed = 3, got 0 in"),
        ({"env": "londi/BabyAIText-GoToObj-v0"}, "with env = 'londi/BabyAIText-GoToObj-v0', got"),
        ({"env_options": {"memory": 2}}, r"with env_options = \{'memory': 2\}, got \{\} in"),
    ],
)
def test_demonstrations_of_another_kind_are_refused(
    tiny_config: FinetuneConfig,
    lender: Path,
    tmp_path: Path,
    changed: dict[str, object],
    message: str,
) -> None:
    config = replace(tiny_config, demonstrations=str(lender), **changed)  # type: ignore[arg-type]
    with pytest.raises(InvalidConfig, match=message):
        check_folders(config, tmp_path / "run", overwrite=False)
    assert not (tmp_path / "run").exists()


def test_a_lender_must_have_something_to_lend(tiny_config: FinetuneConfig, tmp_path: Path) -> None:
    create_run(tmp_path / "lender", tiny_config)
    config = replace(tiny_config, demonstrations=str(tmp_path / "lender"))
    with pytest.raises(InvalidConfig, match="has recorded none yet"):
        check_folders(config, tmp_path / "run", overwrite=False)
    config = replace(tiny_config, demonstrations=str(tmp_path / "nowhere"))
    with pytest.raises(LondiError, match="no run in"):
        check_folders(config, tmp_path / "run", overwrite=False)


def test_a_run_does_not_borrow_from_what_it_overwrites(
    tiny_config: FinetuneConfig, lender: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = replace(tiny_config, demonstrations=str(lender))
    for same in (lender, Path("lender")):
        with pytest.raises(InvalidConfig, match="expected another run's"):
            check_folders(config, same, overwrite=True)
    assert demonstrations_file(lender, 0).is_file()


def test_a_folder_that_is_taken_is_refused(tiny_config: FinetuneConfig, lender: Path) -> None:
    with pytest.raises(OutputExists, match="--overwrite"):
        check_folders(tiny_config, lender, overwrite=False)
    check_folders(tiny_config, lender, overwrite=True)
    assert demonstrations_file(lender, 0).is_file(), "it is only looked at"


def test_only_a_model_that_is_loaded_can_be_spread(tiny_config: FinetuneConfig) -> None:
    check_machine(tiny_config)
    check_machine(replace(tiny_config, base="some/model", device="auto"))
    with pytest.raises(InvalidConfig, match="got 'auto'"):
        check_machine(replace(tiny_config, device="auto"))
    with pytest.raises(InvalidConfig, match="got 'cuda:99'"):
        check_machine(replace(tiny_config, base="some/model", device="cuda:99"))


def test_the_first_phrase_that_is_no_expression_is_named(tiny_config: FinetuneConfig) -> None:
    check_phrases([])
    check_phrases([r"turn (left|right)", r"\d+ steps?"])
    with pytest.raises(InvalidConfig, match=r"regular expressions, got '\[': ") as caught:
        check_phrases(["fine", "[", "("])
    assert len(str(caught.value).splitlines()) == 1
    # Python takes this one, and the tokenizer's library does not.
    with pytest.raises(InvalidConfig, match=r"got '\(\?P<n>a\)'"):
        check_machine(replace(tiny_config, phrases=("(?P<n>a)",)))
