"""The choice of a backend: what is refused, what falls back, what is checked."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import transformers as hf

from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, ModelError
from londi.models.check import check_model
from londi.models.hf.engine import Answer
from londi.models.hf.onnx import backend
from londi.models.hf.onnx.backend import use_backend
from londi.models.hf.onnx.engine import OnnxEngine
from londi.models.registry import load_model
from models.hf.onnx.conftest import MakeModel
from models.hf.tiny import KINDS

BART = {
    "d_model": 32,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "eos_token_id": 1,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "decoder_start_token_id": 1,
    "forced_eos_token_id": None,
}
DYNAMIC = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}

REFUSED: dict[str, tuple[Any, str]] = {
    "bart": (
        lambda n: hf.BartForConditionalGeneration(hf.BartConfig(vocab_size=n, **BART)),
        "the positions of its decoder are not relative",
    ),
    "bloom": (KINDS["bloom"], "the positions of its tokens cannot be given"),
    "mistral": (KINDS["mistral"], "sees 8 tokens before it"),
    "mixtral": (KINDS["mixtral"], "the export failed"),
    "lfm2": (KINDS["lfm2"], "the export failed"),
    "dynamic": (
        lambda n: hf.LlamaForCausalLM(
            hf.LlamaConfig(
                vocab_size=n,
                hidden_size=32,
                intermediate_size=64,
                num_hidden_layers=1,
                num_attention_heads=4,
                rope_parameters=DYNAMIC,
            )
        ),
        r"its positions \(dynamic\) depend on the length",
    ),
}


@pytest.mark.parametrize("family", REFUSED)
def test_a_model_that_cannot_run_there_says_why_and_stays_with_torch(
    family: str,
    make_model: MakeModel,
    graphs: Path,
    states: list[Prompt],
    capfd: pytest.CaptureFixture[str],
) -> None:
    build, reason = REFUSED[family]
    model = make_model("t5" if family == "bart" else "llama", build)
    wanted = [reply.action for reply in model.act(states)]
    with pytest.raises(ModelError, match=f"cannot run on ONNX Runtime: .*{reason}"):
        use_backend(model, "onnx")
    with pytest.warns(UserWarning, match=f"{reason}.*it runs on torch") as said:
        use_backend(model, "auto")
    assert len(said) == 1 and "\n" not in str(said[0].message)
    assert model.engine is None
    assert [reply.action for reply in model.act(states)] == wanted
    assert capfd.readouterr().out == ""


def test_auto_is_onnx_on_a_cpu_in_float32_and_torch_otherwise(
    make_model: MakeModel, graphs: Path
) -> None:
    model = make_model()
    use_backend(model, "torch")
    assert model.engine is None
    use_backend(model, "auto")
    assert model.engine is not None and model.engine.name == "onnx"
    half = make_model()
    half.model.bfloat16()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        use_backend(half, "auto")
    assert half.engine is None
    with pytest.raises(InvalidConfig, match="onnx runs on the device cpu in float32, got cpu in"):
        use_backend(half, "onnx")
    with pytest.raises(InvalidConfig, match="got cpu in int8"):
        load_model("builtin:babyai-quick", dtype="int8", backend="onnx")


def test_answers_that_differ_from_torchs_are_noticed(
    make_model: MakeModel, graphs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = OnnxEngine.answer

    def wrong(engine: OnnxEngine, *given: Any) -> list[Answer]:
        return [
            (choice._replace(logprob=choice.logprob - 0.01), state)
            for choice, state in right(engine, *given)
        ]

    monkeypatch.setattr(backend.OnnxEngine, "answer", wrong)
    model = make_model()
    with pytest.raises(ModelError, match="where torch answers"):
        use_backend(model, "onnx")
    assert model.engine is None and model.reader.cut == 0 and model.max_new_tokens == 16


def test_the_fingerprint_names_the_engine(make_model: MakeModel, graphs: Path) -> None:
    model = make_model()
    plain = model.fingerprint
    use_backend(model, "onnx")
    assert model.fingerprint == f"{plain}+onnx"


def test_a_model_on_onnx_keeps_the_contract() -> None:
    check_model(load_model("builtin:babyai-quick", backend="onnx"))
