"""Language models by name: `load_model`, and the names that it takes.

`random`, `expert` and `expert:<share>` need no weights; `builtin:<name>` ships with londi;
`module:name` is a model of the user's own; `openai:<model>@<base_url>` is behind an API;
`gguf:<file>` and `smollm2` are causal models in GGUF files; any other name is a Hugging Face
seq2seq or causal model, by local path or hub name.
"""

from __future__ import annotations

from os.path import exists
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from londi.errors import UnknownName, extras_named
from londi.models.address import ENDPOINT
from londi.models.base import LanguageModel
from londi.models.check import check_members
from londi.models.gguf import SHORT_NAMES, gguf_file, names_gguf
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
            ``"openai:<model>@<base_url>"``, ``"gguf:<file>"``, ``"smollm2"``,
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
    if name.startswith(ENDPOINT):
        from londi.models.endpoint import EndpointModel

        return EndpointModel(name, parallel=settings.get("batch_size", 64))
    if not (name.startswith(BUILTIN) or names_gguf(name) or exists(name)):
        if is_spec(name):
            own = cast(LanguageModel, build(name, "model", seed=seed))
            check_members(own)
            return own
        if "/" not in name:
            # Neither a path nor owner/name: more likely a slip than a bare name of the hub's.
            raise UnknownName("model", name, [*builtin_models(), *SHORT_NAMES, "random", "expert"])
    model = load_transformer(name, **settings)
    model.name = name
    return model


def model_path(name: str) -> str:
    """The folder or file of a model that londi has a name for; other names as they are.

    Raises:
        UnknownName: if no model that ships with londi has that name.
        ModelError: if there is no such GGUF file.
        MissingExtra: if what reads such files is not installed.
    """
    if names_gguf(name):
        return str(gguf_file(name))
    if not name.startswith(BUILTIN):
        return name
    if name not in builtin_models():
        raise UnknownName("model", name, builtin_models())
    return str(_FOLDER / name.removeprefix(BUILTIN))


def load_transformer(name: str, *, backend: Backend = "auto", **settings: Any) -> TransformerModel:
    """Load a Hugging Face model, seq2seq or causal as its configuration says.

    Args:
        name: hub name, local path, or a name that `model_path` knows.
        backend: what computes the answers on a CPU; see `londi.models.hf.onnx.backend`.
        settings: as of `TransformerModel.load`.

    Raises:
        ModelError: if there is no such model, or its weights are neither safetensors nor GGUF.
        MissingExtra: if its device or its file takes a package that is not installed.
    """
    from londi.models.hf.causal import CausalModel
    from londi.models.hf.loading import is_encoder_decoder
    from londi.models.hf.onnx.backend import use_backend
    from londi.models.hf.seq2seq import Seq2SeqModel

    path = model_path(name)
    kind = Seq2SeqModel if is_encoder_decoder(path) else CausalModel
    model = kind.load(path, **settings)
    use_backend(model, backend)
    return model


__all__ = ["BUILTIN", "LanguageModel", "builtin_models", "load_model", "load_transformer"]
