"""Language models by name: `load_model` and what can be named.

`random` and `expert` need no weights; `builtin:<name>` ships with londi; any other name is a
Hugging Face seq2seq or causal model, by local path or hub name.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from londi.errors import UnknownName
from londi.models.base import LanguageModel

if TYPE_CHECKING:  # without it torch and transformers would be imported here
    from londi.models.hf.transformer import TransformerModel

BUILTIN = "builtin:"
_FOLDER = Path(__file__).parent.parent / "builtin"


def builtin_models() -> list[str]:
    """The names of the models that ship with londi."""
    return sorted(BUILTIN + file.parent.name for file in _FOLDER.glob("*/config.json"))


def load_model(name: str, *, seed: int = 0, **settings: Any) -> LanguageModel:
    """Load a language model by name.

    Args:
        name: ``"random"``, ``"expert"``, ``"builtin:<name>"``, a path or a hub name.
        seed: seed of a random model.
        settings: `device`, `dtype`, `batch_size`, `history`, `choose`, `scoring`; see
            `londi.models.hf.transformer.TransformerModel`.

    Raises:
        UnknownName: if it looks like a name of londi's and is none; suggests the nearest.
        ModelError: if there is no such model, or its weights are not safetensors.
    """
    if name == "random":
        from londi.models.scripted import RandomModel

        return RandomModel(seed)
    if name == "expert":
        from londi.models.scripted import ExpertModel

        return ExpertModel()
    path = name
    if name.startswith(BUILTIN):
        if name not in builtin_models():
            raise UnknownName("model", name, builtin_models())
        path = str(_FOLDER / name.removeprefix(BUILTIN))
    elif not Path(name).exists() and "/" not in name:
        # No path and no owner/name: more likely a slip than one of the hub's few bare names.
        raise UnknownName("model", name, [*builtin_models(), "random", "expert"])
    model = load_transformer(path, **settings)
    model.name = name
    return model


def load_transformer(path: str, **settings: Any) -> TransformerModel:
    """Load a Hugging Face model, seq2seq or causal as its configuration says.

    Args:
        path: hub name or local path.
        settings: as of `TransformerModel.load`.

    Raises:
        ModelError: if there is no such model, or its weights are not safetensors.
        MissingExtra: if its device takes a package that is not installed.
    """
    from londi.models.hf.causal import CausalModel
    from londi.models.hf.seq2seq import Seq2SeqModel
    from londi.models.hf.transformer import is_encoder_decoder

    kind = Seq2SeqModel if is_encoder_decoder(path) else CausalModel
    return kind.load(path, **settings)


__all__ = ["BUILTIN", "LanguageModel", "builtin_models", "load_model", "load_transformer"]
