"""Models that are not whole, or would run code, are refused in one line at load."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    ByT5Tokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    MambaConfig,
    MambaForCausalLM,
    T5Config,
    T5ForConditionalGeneration,
)

from londi.errors import LondiError
from londi.imitation.demonstrations import Demonstration
from londi.models.check import check_model
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.registry import load_model, load_transformer
from models.hf.tiny import causal

MakeLM = Callable[..., Seq2SeqModel]


@pytest.fixture
def folder(make_lm: MakeLM, tmp_path: Path) -> Path:
    """A whole model, which a test may damage."""
    make_lm().save(tmp_path)
    return tmp_path


def refused(folder: Path) -> str:
    with pytest.raises(LondiError) as caught:
        load_model(str(folder))
    said = str(caught.value)
    assert len(said.splitlines()) == 1 and str(folder) in said
    return said


def weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    file = folder / "model.safetensors"
    state = load_file(file)
    change(state)
    save_file(state, file, {"format": "pt"})


def test_a_missing_weight_is_named(folder: Path) -> None:
    """A7: it would be drawn at random, another one each time."""
    name = "encoder.block.0.layer.0.SelfAttention.q.weight"
    weights(folder, lambda state: state.__delitem__(name))
    assert f"it lacks the weights '{name}'" in refused(folder)


def test_a_surplus_weight_is_named(folder: Path) -> None:
    weights(folder, lambda state: state.update(reward_head=torch.ones(3)))
    assert "it has the surplus weights 'reward_head'" in refused(folder)


def test_a_weight_of_another_shape_is_named(folder: Path) -> None:
    name = "encoder.block.0.layer.0.SelfAttention.q.weight"
    weights(folder, lambda state: state.update({name: torch.ones(2, 2)}))
    assert f"it has weights of another shape '{name}'" in refused(folder)


def test_the_configuration_of_another_architecture_is_refused(folder: Path) -> None:
    GPT2Config(n_embd=32, n_layer=2, n_head=4, vocab_size=300).save_pretrained(folder)
    assert "it lacks the weights" in refused(folder)


def test_a_folder_without_a_tokenizer_is_refused(folder: Path) -> None:
    for file in folder.glob("tokenizer*"):
        file.unlink()
    assert "there is no tokenizer in the folder" in refused(folder)


def test_an_adapter_is_not_left_out(folder: Path) -> None:
    """A8: without peft, the base weights would play."""
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "adapter" in refused(folder)


def test_no_code_of_a_folder_runs_and_nobody_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D1: `auto_map` names Python code that lies in the folder."""
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "ours", "auto_map": {"AutoConfig": "code.Config"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "code.py").write_text(f"open({str(folder / 'sprung')!r}, 'w')\n")

    def asked(*_: object) -> str:
        raise AssertionError("a question on standard input")

    monkeypatch.setattr("builtins.input", asked)
    refused(folder)
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize(
    "settings",
    [
        {"attn_implementation": "someone/attention"},
        {"_attn_implementation": "someone/attention@v1:forward"},
        {"attn_implementation": {"": "eager", "text_config": "someone/attention"}},
        {"text_config": {"attn_implementation": "someone/attention"}},
        {"experts_implementation": "someone/attention"},
    ],
)
def test_a_kernel_of_the_hub_is_not_fetched(folder: Path, settings: dict[str, object]) -> None:
    """The library downloads it and runs it where the package `kernels` is installed."""
    config = json.loads((folder / "config.json").read_text()) | settings
    (folder / "config.json").write_text(json.dumps(config))
    said = refused(folder)
    assert "is 'someone/attention" in said and "code that would be downloaded" in said


def test_an_attention_of_the_library_s_own_is_fine(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text())
    config["attn_implementation"] = "eager"
    (folder / "config.json").write_text(json.dumps(config))
    load_model(str(folder))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is no JSON"),
        ("[3]", "expected settings by name, got [3]"),
        ("null", "expected settings by name, got None"),
        ('{"histroy": 3}', "did you mean 'history'?"),
        ('{"history": -1}', "history: expected a whole number >= 1, got -1"),
        ('{"history": true}', "history: expected a whole number >= 1"),
        ('{"max_tokens": "many"}', "max_tokens: expected a whole number >= 1"),
        ('{"scoring": "luck"}', "scoring: expected one of"),
    ],
)
def test_damaged_settings_are_named(folder: Path, text: str, said: str) -> None:
    (folder / "londi.json").write_text(text)
    assert said in refused(folder)


def test_a_chat_template_that_drops_the_message_is_refused(
    demonstrations: list[Demonstration], tmp_path: Path
) -> None:
    """A9: the model would never see a prompt."""
    causal(
        lambda **more: GPT2Config(n_embd=32, n_layer=1, n_head=2, eos_token_id=1, **more),
        GPT2LMHeadModel,
        demonstrations,
        tmp_path,
    )
    load_transformer(str(tmp_path))
    (tmp_path / "chat_template.jinja").write_text("{% for m in messages %}<user>{% endfor %}")
    assert "its chat template drops the text" in refused(tmp_path)


@pytest.mark.filterwarnings("ignore:model .*operations cannot be counted")
@pytest.mark.parametrize("choose", ["score", "generate"])
def test_a_state_space_model_plays(
    demonstrations: list[Demonstration], tmp_path: Path, choose: str
) -> None:
    """D2: it keeps no keys and values, and its operations are counted by no formula of ours."""
    causal(
        lambda **more: MambaConfig(
            hidden_size=32, num_hidden_layers=2, state_size=8, eos_token_id=1, **more
        ),
        MambaForCausalLM,
        demonstrations,
        tmp_path,
    )
    check_model(load_transformer(str(tmp_path), backend="torch", choose=choose, max_new_tokens=4))


def test_a_tokenizer_without_a_fast_backend_plays(tmp_path: Path) -> None:
    """D2: ByT5 reads bytes."""
    tokenizer = ByT5Tokenizer()
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=16,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        decoder_start_token_id=0,
    )
    torch.manual_seed(0)
    Seq2SeqModel(T5ForConditionalGeneration(config), tokenizer, "byt5").save(tmp_path)
    lm, again = load_model(str(tmp_path)), load_model(str(tmp_path))
    check_model(lm)
    assert again.fingerprint == lm.fingerprint
