"""The paper's configurations, on random models of the paper's architecture and tokenizer type."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast, T5Config, T5ForConditionalGeneration

from londi import EvaluateConfig, TrainConfig
from londi.cli.main import main
from londi.envs.prompt import Prompt
from londi.envs.registry import make_env
from londi.evaluation.evaluate import play_methods, results, write_results, write_steps
from londi.evaluation.play import play, summary
from londi.imitation.demonstrations import Demonstration
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.pair import ModelPair
from londi.models.registry import load_model
from londi.switching.budget import Budget
from londi.switching.switcher import ConstantSwitcher, ThresholdSwitcher
from playthings import Corridor, deepthink, quick

CONFIGS = Path(__file__).parent.parent / "configs" / "paper"

SMALL, LARGE = "google/flan-t5-small", "google/flan-t5-large"
PROMPT = Prompt("go to the red ball", ("turn left", "go forward"), ("You see a red ball 2 steps",))


def flan_tokenizer(demonstrations: Sequence[Demonstration]) -> PreTrainedTokenizerFast:
    """A SentencePiece-like unigram tokenizer with T5's special tokens and sentinels."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    learned = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>",
        show_progress=False,
    )  # fmt: skip
    texts = [prompt.text() for episode in demonstrations for prompt, _ in episode.examples(3)]
    tokenizer.train_from_iterator(texts, learned)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", 1)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=[f"<extra_id_{k}>" for k in range(100)],
    )


def save_flan(folder: Path, width: int, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write a random Flan-T5 (T5 1.1: gated GELU, a head of its own) as the hub has it."""
    torch.manual_seed(width)
    model = T5ForConditionalGeneration(
        T5Config(
            vocab_size=len(tokenizer) + 5,  # Flan-T5's is padded as well
            d_model=width,
            d_kv=width // 4,
            d_ff=2 * width,
            num_layers=2,
            num_decoder_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            decoder_start_token_id=0,  # type: ignore[call-arg]
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    # A model made from scratch shares its embedding with the head; Flan-T5's file has both.
    weights = load_file(folder / "model.safetensors")
    head = {"lm_head.weight": torch.randn(weights["shared.weight"].shape)}
    save_file(weights | head, folder / "model.safetensors", {"format": "pt"})
    config = json.loads((folder / "config.json").read_text())
    untied = config | {"tie_word_embeddings": False}
    untied.pop("scale_decoder_outputs", None)
    (folder / "config.json").write_text(json.dumps(untied))


@pytest.fixture
def hub(tmp_path: Path, demonstrations: list[Demonstration]) -> Iterator[Path]:
    """A folder in which the paper's two models lie under the names that the hub has for them."""
    tokenizer = flan_tokenizer(demonstrations)
    for name, width in ((SMALL, 16), (LARGE, 32)):
        save_flan(tmp_path / name, width, tokenizer)
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


# Cut for another environment, words fall apart, and prompts are longer than a model may read.
LONG = pytest.mark.filterwarnings("ignore:a prompt of")


@LONG
@pytest.mark.parametrize("name", ["babyai", "scienceworld"])
def test_a_paper_configuration_trains(hub: Path, name: str) -> None:
    small = ("--steps", "32", "--warmup", "16", "--num_envs", "2", "--batch_size", "4")
    config = str(CONFIGS / f"{name}.yaml")
    assert run("train", "--config", config, *small, "--cache", "none", "--out", "run") == 0
    assert json.loads((hub / "run/progress.jsonl").read_text().splitlines()[-1])["lm_seconds"] > 0


@LONG
def test_actions_that_scienceworld_does_not_know_are_counted(hub: Path) -> None:
    lm = load_model(SMALL, choose="generate")
    pair = ModelPair(lm, lm, partial(make_env, "londi/ScienceWorld-find-plant-v0", limit=2))
    played = play(
        pair, ConstantSwitcher(0.0), range(1), cost=0.0, budget=Budget(), num_envs=1, seed=0
    )
    (found,) = summary(played)
    assert found.substituted_actions == found.steps == 2 and not found.aborted


def test_flan_t5_loads_by_hub_name_or_path_in_any_number_format(hub: Path) -> None:
    by_name, by_path = load_model(SMALL), load_model(str(hub / SMALL))
    assert isinstance(by_name, Seq2SeqModel)
    assert by_name.fingerprint == by_path.fingerprint
    low = Seq2SeqModel.load(SMALL, dtype="bfloat16")
    assert next(low.model.parameters()).dtype == torch.bfloat16
    assert low.act([PROMPT])[0].action in PROMPT.actions


def test_flan_t5_keeps_a_head_of_its_own(hub: Path) -> None:
    lm = Seq2SeqModel.load(SMALL)
    weights = load_file(hub / SMALL / "model.safetensors")
    assert torch.equal(lm.model.lm_head.weight, weights["lm_head.weight"])
    assert not torch.equal(lm.model.lm_head.weight, lm.model.shared.weight)
    # As T5 1.1 has it, the states are not scaled before the head: also once saved by londi.
    lm.save(hub / "again")
    for model in (lm.model, Seq2SeqModel.load(str(hub / "again")).model):
        seen: dict[str, Any] = {"input_ids": torch.tensor([[5, 6, 1]])}
        seen["decoder_input_ids"] = torch.zeros(1, 1, dtype=torch.long)
        with torch.inference_mode():
            out = model(**seen, output_hidden_states=True)
        expected = out.decoder_hidden_states[-1] @ weights["lm_head.weight"].T
        assert torch.allclose(out.logits, expected, atol=1e-4)


@pytest.mark.parametrize("choose", ["score", "generate"])
def test_a_device_map_changes_no_answer(hub: Path, choose: str) -> None:
    here, spread = (
        Seq2SeqModel.load(LARGE, device=device, choose=choose)  # type: ignore[arg-type]
        for device in ("cpu", "auto")
    )
    first, second = here.act([PROMPT])[0], spread.act([PROMPT])[0]
    assert (first.action, first.logprob) == (second.action, pytest.approx(second.logprob))


def test_a_gpu_that_is_not_there_is_one_line(hub: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is one")
    assert run("train", "--quick", SMALL, "--device", "cuda", "--out", "run") == 2
    (line,) = capsys.readouterr().err.splitlines()
    expected = "device: expected one that this machine has, such as cpu, got 'cuda': "
    assert line.startswith(f"londi: error: {expected}")
    assert not Path("run").exists()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_counts_its_joules(hub: Path) -> None:
    lm = Seq2SeqModel.load(LARGE, device="cuda")
    used = sum(reply.usage.joules for _ in range(50) for reply in lm.act([PROMPT] * 16))
    assert used > 0


def test_a_cpu_counts_none(hub: Path) -> None:
    assert load_model(SMALL).act([PROMPT])[0].usage.joules == 0.0


def evaluated(folder: Path, seeds: Sequence[int]) -> None:
    """What `londi evaluate` leaves of several seeds, on the corridor."""
    pair = ModelPair(quick(), deepthink(), Corridor)
    config = EvaluateConfig(episodes=12, validation_episodes=4)
    found = []
    for seed in seeds:
        training = TrainConfig(env="the corridor", cost=0.1, cache="none", seed=seed)
        found.append(play_methods(training, ThresholdSwitcher(0.8), config, pair))
        (folder / f"seed-{seed}").mkdir(parents=True)
        write_steps(folder / f"seed-{seed}", found[-1])
    write_results(folder, results(found))


def test_the_table_of_the_papers_claim(tmp_path: Path) -> None:
    evaluated(tmp_path / "both", (3, 4))
    (tmp_path / "both" / "seed-7").mkdir()  # left by another evaluation
    script = CONFIGS.parents[1] / "benchmarks" / "paper.py"
    done = subprocess.run(
        [sys.executable, str(script), str(tmp_path / "both")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in done.stdout.splitlines()]
    assert lines[0] == ["", "the paper", "the corridor"]
    rows = {line[0]: line[1:] for line in lines}
    # Half of the corridor's states are easy: QUICK is asked at all steps, DEEPTHINK at half.
    assert rows["return, LONDI less DEEPTHINK"] == ["DEEPTHINK-level", "+0.000 (+0.000 .. +0.000)"]
    saved = rows["seconds inside the models saved"]
    assert saved[0] == "up to 30% of the GPU usage"
    share = int(saved[1].split("%")[0]) / 100
    calls = int(rows["DEEPTHINK calls saved"][1].split("%")[0]) / 100
    # A call of either takes a millisecond, so that calls are saved and seconds are lost.
    assert share == pytest.approx(calls - 1, abs=0.02)
