"""Language models by name: `load_model`, and the names that it takes.

`random`, `expert` and `expert:<share>` need no weights; `builtin:<name>` ships with londi;
`module:name` is a model of the user's own; `openai:<model>@<base_url>` is behind an API; any other
name is a Hugging Face seq2seq or causal model, by local path or hub name.
"""

from __future__ import annotations

from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from londi.errors import UnknownName, extras_named
from londi.models.address import ENDPOINT
from londi.models.base import LanguageModel
from londi.models.check import check_members
from londi.models.scripted import RandomModel, expert, is_expert
from londi.storage.names import build, is_spec

if TYPE_CHECKING:  # without it torch and transformers would be imported here
    from londi.models.hf.onnx.backend import Backend
    from londi.models.hf.transformer import TransformerModel

BUILTIN = "builtin:"
_FOLDER = Path(__file__).parent.parent / "builtin"


def builtin_models() -> list[str]:
    """The names of the models that ship with londi."""
    return sorted(BUILTIN + file.parent.name for file in _FOLDER.glob("*/config.json"))


@extras_named()
def load_model(name: str, *, seed: int = 0, **settings: Any) -> LanguageModel:
    """Load a language model by name.

    Args:
        name: ``"random"``, ``"expert"``, ``"expert:<share>"``, ``"builtin:<name>"``,
            ``"openai:<model>@<base_url>"``,
            ``"module:name"``, a path or a hub name. A name in a module is that of a model, or of a
            class or function that makes one without arguments, or from `seed` if it declares one.
        seed: seed of a model that draws.
        settings: `backend`, `device`, `dtype`, `batch_size`, `history`, `choose`, `scoring`, for
            Hugging Face models; see `londi.models.hf.transformer.TransformerModel`.

    Raises:
        UnknownName: if no model has that name; suggests the nearest.
        InvalidConfig: if the module cannot be imported, or the model cannot be made.
        ModelError: if there is no such model, it cannot be used, or it is no `LanguageModel`.
    """
    if name == "random":
        return RandomModel(seed)
    if is_expert(name):
        return expert(name)
    path = name
    if name.startswith(BUILTIN):
        if name not in builtin_models():
            raise UnknownName("model", name, builtin_models())
        path = str(_FOLDER / name.removeprefix(BUILTIN))
    elif name.startswith(ENDPOINT):
        from londi.models.endpoint import EndpointModel

        return EndpointModel(name, parallel=settings.get("batch_size", 64))
    elif is_spec(name) and not exists(name):
        own = cast(LanguageModel, build(name, "model", seed=seed))
        check_members(own)
        return own
    elif "/" not in name and not exists(name):
        # Neither a path nor owner/name: more likely a slip than one of the hub's few bare names.
        raise UnknownName("model", name, [*builtin_models(), "random", "expert"])
    model = load_transformer(path, **settings)
    model.name = name
    return model


def load_transformer(path: str, *, backend: Backend = "auto", **settings: Any) -> TransformerModel:
    """Load a Hugging Face model, seq2seq or causal as its configuration says.

    Args:
        path: hub name or local path.
        backend: what computes the answers on a CPU; see `londi.models.hf.onnx.backend`.
        settings: as of `TransformerModel.load`.

    Raises:
        ModelError: if there is no such model, or its weights are not safetensors.
        MissingExtra: if its device takes a package that is not installed.
    """
    from londi.models.hf.causal import CausalModel
    from londi.models.hf.loading import is_encoder_decoder
    from londi.models.hf.onnx.backend import use_backend
    from londi.models.hf.seq2seq import Seq2SeqModel

    kind = Seq2SeqModel if is_encoder_decoder(path) else CausalModel
    model = kind.load(path, **settings)
    use_backend(model, backend)
    return model


__all__ = ["BUILTIN", "LanguageModel", "builtin_models", "load_model", "load_transformer"]
