"""Language models by name, a user's own among them."""

from __future__ import annotations

from pathlib import Path

import pytest

from londi.errors import InvalidConfig, LondiError, ModelError, UnknownName
from londi.models.check import check_model
from londi.models.registry import builtin_models, load_model

pytestmark = pytest.mark.usefixtures("own_models")


@pytest.mark.parametrize("name", ["Mine", "factory", "ready"])
def test_a_model_of_ones_own_is_found_by_module_and_name(name: str) -> None:
    model = load_model(f"own_models:{name}", dtype="float32", choose="score")
    check_model(model)
    assert model.name == "mine"


def test_a_model_that_draws_is_given_the_seed() -> None:
    first, second, other = (load_model("own_models:Draws", seed=seed) for seed in (3, 3, 4))
    assert first.state() == second.state() != other.state()


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("own_models:Mien", UnknownName, "did you mean 'Mine'?"),
        ("no_models:Mine", InvalidConfig, "cannot import 'no_models'"),
        ("own_models:nothing", ModelError, "model of type 'int' has no 'name'"),
        ("own_models:Wrong", ModelError, "embedding_size: expected a whole number"),
        ("builtin:babyai-quik", UnknownName, "did you mean 'builtin:babyai-quick'?"),
        ("builtin:quick", UnknownName, "unknown model 'builtin:quick'"),
        ("randon", UnknownName, "did you mean 'random'?"),
        ("C:\\models\\t5", UnknownName, "unknown model"),
        ("x" * 300, UnknownName, "unknown model"),
        ("a\0b", UnknownName, "unknown model"),
        ("/no/such:model", ModelError, "there is no such folder"),
        ("./no:model", ModelError, "there is no such folder"),
        ("/" + "x" * 300, ModelError, "there is no such folder"),
    ],
)
def test_a_name_that_names_nothing_is_one_line(
    name: str, kind: type[LondiError], said: str
) -> None:
    with pytest.raises(kind) as caught:
        load_model(name)
    assert said in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_folder_with_a_colon_in_its_name_is_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_models:Mine").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="cannot load a model from 'own_models:Mine'"):
        load_model("own_models:Mine")


@pytest.mark.parametrize("name", ["random", "expert", "builtin:scienceworld-quick"])
def test_the_models_of_londi_keep_the_contract(name: str) -> None:
    assert name in [*builtin_models(), "random", "expert"]
    check_model(load_model(name))
