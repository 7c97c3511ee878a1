"""Reading a Hugging Face model from disk or hub: whole, without its code, and quietly.

This file knows files and the library's loaders. It does not know how a model chooses an action.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from os.path import exists
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GgufConfig,
    PretrainedConfig,
    modeling_gguf_pytorch_utils,
)
from transformers.utils import logging as hf_logging

from londi.errors import ModelError, UnknownName
from londi.types import StateDict

_GGUF: Any = modeling_gguf_pytorch_utils
"""The library's reader of GGUF files; it has a progress bar of its own."""

SETTINGS = "londi.json"
"""File beside the weights that says how this model wants its prompts."""

_NUMBERS = ("history", "max_tokens", "max_new_tokens")
_TEXTS = {"choose": ("score", "generate"), "scoring": ("logprob", "glam")}
_TOKENIZERS = ("tokenizer*", "vocab*", "spiece*", "sentencepiece*", "merges*", "*.tiktoken")


def load_parts(loader: Any, path: str, dtype: torch.dtype, device: str) -> tuple[Any, Any]:
    """A model and its tokenizer; weights only as safetensors or GGUF, and no code of the folder's.

    Args:
        loader: the class of `transformers` that loads the model.
        path: hub name, local folder or GGUF file.
        dtype: number format of the weights.
        device: where to; ``"auto"`` spreads the model over what there is.

    Raises:
        ModelError: if there is no such model, or it is not whole; names the weights.
    """
    with loading(path):
        folder = Path(path)
        source, more = _source(path)
        if not more:  # of a GGUF file, whose reading takes seconds, no such setting is taken over
            check_kernels(PretrainedConfig.get_config_dict(source)[0])
        # Or else weights stay packed where the library finds kernels for them, which it fetches.
        plain = {"quantization_config": GgufConfig(dequantize=True)} if more else {}
        if folder.is_dir() and not any(any(folder.glob(name)) for name in _TOKENIZERS):
            raise ValueError("there is no tokenizer in the folder")
        tokenizer = AutoTokenizer.from_pretrained(source, trust_remote_code=False, **more)
        model, found = loader.from_pretrained(
            source,
            dtype=dtype,
            use_safetensors=True,
            trust_remote_code=False,
            device_map="auto" if device == "auto" else None,
            # Reported below like the others, with their names.
            ignore_mismatched_sizes=True,
            output_loading_info=True,
            **more,
            **plain,
        )
        wrong = (
            ("lacks the weights", found["missing_keys"]),
            ("has the surplus weights", found["unexpected_keys"]),
            ("has weights of another shape", [name for name, *_ in found["mismatched_keys"]]),
        )
        faults = [f"{what} {_listed(names)}" for what, names in wrong if names]
        if faults:
            raise ValueError(f"it {', '.join(faults)}")
        model = model if device == "auto" else model.to(device)
        if any(weight.is_meta for weight in model.parameters()):
            raise ValueError("it does not fit on the devices, and would be read from disk")
    return model, tokenizer


def _source(path: str) -> tuple[str, dict[str, str]]:
    """A hub name or a folder for the library's loaders, and the GGUF file in that folder."""
    file = Path(path)
    if file.suffix == ".gguf" and file.is_file():
        return str(file.parent), {"gguf_file": file.name}
    return path, {}


def check_kernels(settings: Mapping[str, object]) -> None:
    """Refuse settings of a model by which the library would download code and run it.

    Raises:
        ValueError: names the first such setting.
    """
    for key, value in _nested(settings):
        if key.endswith("_implementation") and isinstance(value, str) and "/" in value:
            raise ValueError(
                f"its {key} is {value!r}, which is code that would be downloaded; expected one that"
                " comes with the library, such as 'sdpa'"
            )


def _nested(settings: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """All settings by name, also those of parts."""
    for key, value in settings.items():
        yield key, value
        if isinstance(value, Mapping):
            # One for each part is written under the name of the setting.
            yield from ((key, part) for part in value.values())
            yield from _nested(value)


def _listed(names: Iterable[str]) -> str:
    first, *more = sorted(names)
    shown = ", ".join(repr(name) for name in [first, *more[:2]])
    return shown if len(more) < 3 else f"{shown} and {len(more) - 2} more"


def read_settings(path: str) -> StateDict:
    """The settings in `londi.json` beside the weights; none if there is no such file.

    Raises:
        ModelError: if the file is damaged, or a value is out of its range.
        UnknownName: if there is no such setting; suggests the nearest.
    """
    file = Path(path) / SETTINGS
    if not file.is_file():
        return {}
    try:
        settings: object = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(file)!r} is no JSON: {error}") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{str(file)!r}: expected settings by name, got {settings!r}")
    for name, value in settings.items():
        if name in _NUMBERS:
            if type(value) is not int or value < 1:
                raise ModelError(
                    f"{str(file)!r}: {name}: expected a whole number >= 1, got {value!r}"
                )
        elif name not in _TEXTS:
            raise UnknownName(f"setting in {str(file)!r}:", name, [*_NUMBERS, *_TEXTS])
        elif value not in _TEXTS[name]:
            raise ModelError(
                f"{str(file)!r}: {name}: expected one of {_TEXTS[name]}, got {value!r}"
            )
    return settings


def is_encoder_decoder(path: str) -> bool:
    """Whether the model of that hub name or path is a seq2seq one.

    Raises:
        ModelError: if there is no such model.
    """
    with loading(path):
        source, more = _source(path)
        config = AutoConfig.from_pretrained(source, trust_remote_code=False, **more)
        return bool(config.is_encoder_decoder)


@contextmanager
def loading(path: str) -> Iterator[None]:
    """A quiet load, whose errors are one line.

    Raises:
        ModelError: if anything goes wrong, or the folder holds an adapter that would be left out.
    """
    if path.startswith(("/", "./", "../", "~")) and not exists(path):
        # The library takes it for a hub name, and would explain how those are written.
        raise ModelError(f"cannot load a model from {path!r}: there is no such folder")
    if (Path(path) / "adapter_config.json").is_file() and find_spec("peft") is None:
        raise ModelError(
            f"cannot load a model from {path!r}: it holds an adapter (adapter_config.json), and"
            " peft is not installed; run: pip install peft"
        )
    try:
        with quiet():
            yield
    except (
        ImportError,
        OSError,
        ValueError,
        TypeError,
        LookupError,
        AttributeError,
        RuntimeError,
        AssertionError,
        SafetensorError,
        struct.error,
    ) as error:
        reason = next(iter(str(error).strip().splitlines()), "no reason").rstrip(": ")
        raise ModelError(f"cannot load a model from {path!r}: {reason}") from error


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's progress bars and notices off the user's screen."""
    level, bar = hf_logging.get_verbosity(), _GGUF.tqdm
    hf_logging.set_verbosity_error()
    hf_logging.disable_progress_bar()
    _GGUF.tqdm = partial(bar, disable=True)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)
        _GGUF.tqdm = bar
