"""What all Hugging Face models have in common: settings, batches, fingerprints and files."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import RwkvConfig, RwkvForCausalLM

from londi.envs.prompt import Prompt
from londi.errors import MissingExtra, ModelError, UnknownName
from londi.imitation.demonstrations import Demonstration
from londi.models.base import LanguageModel
from londi.models.check import PROMPTS, check_model
from londi.models.hf.causal import CausalModel
from londi.models.hf.seq2seq import Seq2SeqModel
from londi.models.hf.transformer import KEPT
from londi.models.meter import MeteredModel
from londi.models.registry import load_model, load_transformer
from models.hf.tiny import CHAT, MakeCausal, causal

MakeLM = Callable[..., Seq2SeqModel]


def test_no_prompts_no_replies(make_lm: MakeLM) -> None:
    assert make_lm().act([]) == []


def test_without_actions_it_generates(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    free = Prompt("g", (), prompts[0].observations)
    scoring, generating = make_lm(), make_lm(choose="generate")
    assert scoring.act([free])[0].action == generating.act([free])[0].action


def test_the_history_is_cut_to_what_the_model_wants(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    long = next(p for p in prompts if len(p.observations) == 3)
    short, full = make_lm(history=1), make_lm(history=3)
    assert short.act([long])[0].logprob == pytest.approx(full.act([long.recent(1)])[0].logprob)
    assert short.act([long])[0].usage.tokens < full.act([long])[0].usage.tokens


def test_the_fingerprint_is_of_weights_and_settings(make_lm: MakeLM) -> None:
    lm = make_lm()
    assert lm.fingerprint == make_lm().fingerprint
    assert lm.fingerprint == make_lm(batch_size=2).fingerprint, "batches change no answer"
    others = [
        make_lm(weights=1),
        make_lm(history=1),
        make_lm(scoring="glam"),
        make_lm(choose="generate"),
        make_lm(choose="generate", max_new_tokens=3),
    ]
    changed = make_lm()
    with torch.no_grad():
        changed.model.shared.weight[5, 3] += 1e-3
    prints = {lm.fingerprint for lm in [lm, *others, changed]}
    assert len(prints) == 7


def test_a_saved_model_answers_as_before(
    make_lm: MakeLM, prompts: list[Prompt], tmp_path: Path
) -> None:
    lm = make_lm(history=2)
    lm.save(tmp_path / "m")
    again = load_model(str(tmp_path / "m"), backend="torch")
    assert isinstance(again, LanguageModel)
    assert again.fingerprint == lm.fingerprint
    assert [r.action for r in again.act(prompts)] == [r.action for r in lm.act(prompts)]
    assert json.loads((tmp_path / "m" / "londi.json").read_text()) == {
        "history": 2,
        "max_tokens": 1024,
    }
    assert not list((tmp_path / "m").glob("*.bin"))


def test_half_precision_is_saved_and_leaves_the_model_alone(
    make_lm: MakeLM, tmp_path: Path
) -> None:
    lm = make_lm()
    lm.save(tmp_path / "m", torch.bfloat16)
    assert next(lm.model.parameters()).dtype == torch.float32
    size = (tmp_path / "m" / "model.safetensors").stat().st_size
    assert size < 0.6 * 4 * sum(p.numel() for p in lm.model.parameters())


def test_what_a_checkpoint_brings_for_its_own_way_of_generating_is_left_out(
    make_causal: MakeCausal, prompts: list[Prompt]
) -> None:
    plain, other = make_causal(choose="generate"), make_causal(choose="generate")
    other.model.generation_config.repetition_penalty = 3.0
    other = CausalModel(other.model, other.tokenizer, "penalised", choose="generate")
    actions = [reply.action for reply in plain.act(prompts)]
    assert [reply.action for reply in other.act(prompts)] == actions


def test_the_fingerprint_is_of_all_that_answers_depend_on(make_causal: MakeCausal) -> None:
    other = make_causal("mistral")
    other.model.config.sliding_window = 9
    made = [
        make_causal(),
        make_causal(reads="like_llama2"),
        make_causal(chat=CHAT),
        make_causal(chat=CHAT + " "),
        make_causal("mistral"),
        other,
    ]
    assert len({lm.fingerprint for lm in made}) == len(made)
    lm = make_causal()
    lm.tokenizer(["a", "a b"], padding=True, truncation=True, max_length=1)
    assert lm.fingerprint == made[0].fingerprint


def test_a_tokenizer_without_an_end_is_refused(make_causal: MakeCausal) -> None:
    lm = make_causal()
    lm.tokenizer.eos_token = None
    with pytest.raises(ModelError, match="'endless': its tokenizer has no end token"):
        CausalModel(lm.model, lm.tokenizer, "endless")


@pytest.mark.parametrize("choose", ["score", "generate"])
def test_a_score_of_nan_ends_the_game(make_lm: MakeLM, choose: str) -> None:
    """A6: it would always be the first action."""
    lm = make_lm(choose=choose)
    with torch.no_grad():
        lm.model.shared.weight[:] = float("nan")
    with pytest.raises(ModelError, match=r"expected .* got .* for 'go to the red ball") as caught:
        MeteredModel(lm).act(PROMPTS)
    assert repr(lm.name) in str(caught.value) and len(str(caught.value).splitlines()) == 1


@pytest.mark.filterwarnings("ignore:model .*(operations cannot be counted|depend on the other)")
@pytest.mark.parametrize("choose", ["score", "generate"])
def test_a_model_whose_answers_depend_on_its_neighbours_is_asked_one_by_one(
    demonstrations: list[Demonstration], tmp_path: Path, choose: str
) -> None:
    """A10: RWKV reads the padding."""
    causal(
        lambda **more: RwkvConfig(hidden_size=32, num_hidden_layers=2, eos_token_id=1, **more),
        RwkvForCausalLM,
        demonstrations,
        tmp_path,
    )
    lm = load_transformer(str(tmp_path), backend="torch", choose=choose, max_new_tokens=4)
    check_model(lm)


def test_a_pad_token_beyond_the_embedding_is_not_used(make_lm: MakeLM) -> None:
    """D2: padding is masked, so that any token will do."""
    lm = make_lm()
    first = [reply.action for reply in lm.act(PROMPTS)]
    lm.tokenizer.add_special_tokens({"pad_token": "<beyond>"})
    assert lm.tokenizer.pad_token_id >= lm.model.get_input_embeddings().weight.shape[0]
    again = Seq2SeqModel(lm.model, lm.tokenizer, "padded")
    assert [reply.action for reply in again.act(PROMPTS)] == first


@pytest.mark.parametrize("choose", ["score", "generate"])
def test_a_tokenizer_without_a_pad_token_plays_on(make_lm: MakeLM, choose: str) -> None:
    lm = make_lm(choose=choose)
    asked = [*PROMPTS, *(replace(prompt, actions=()) for prompt in PROMPTS)]
    first = [reply.action for reply in lm.act(asked)]
    lm.tokenizer.pad_token = None
    assert lm.tokenizer.pad_token_id is None
    again = Seq2SeqModel(lm.model, lm.tokenizer, "endless", choose=choose)  # type: ignore[arg-type]
    assert [reply.action for reply in again.act(asked)] == first


def test_what_cannot_be_counted_stops_no_game(
    make_lm: MakeLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D2: the operations of an architecture that has no layers of known names."""
    lm = make_lm()

    def uncountable(self: Seq2SeqModel, tokens: int, steps: int) -> float:
        raise IndexError("no such layer")

    monkeypatch.setattr(Seq2SeqModel, "flops", uncountable)
    with pytest.warns(UserWarning, match="cannot be counted"):
        replies = lm.act(PROMPTS)
    assert [reply.usage.flops for reply in replies] == [0.0] * len(PROMPTS)
    lm.act(PROMPTS)  # and is said once


def test_few_lists_of_actions_are_kept(make_lm: MakeLM) -> None:
    """B9: in ScienceWorld no two states have the same."""
    lm = make_lm()
    used = lm.listed(("look", "wait"))
    for k in range(KEPT + 20):
        lm.listed((f"open door {k}", "wait"))
        lm.listed(("look", "wait"))
    assert lm.listed.cache_info().currsize == KEPT
    assert lm.listed(("look", "wait")) is used, "what is in use stays"


def test_an_end_token_beyond_the_embedding_is_refused(make_lm: MakeLM) -> None:
    lm = make_lm()
    known = lm.model.get_input_embeddings().weight.shape[0]
    lm.tokenizer.add_special_tokens({"eos_token": "<beyond>"})
    with pytest.raises(ModelError, match=rf"end token \d+ is none of the model's {known}"):
        Seq2SeqModel(lm.model, lm.tokenizer, "endless")


# Batches.


def passes(lm: Seq2SeqModel) -> list[tuple[int, int]]:
    """Prompts and tokens of each pass of the encoder from now on; a list that grows."""
    shapes: list[tuple[int, int]] = []

    def note(_: Any, __: Any, given: dict[str, Any]) -> None:
        shapes.append(tuple(given["input_ids"].shape))

    lm.model.get_encoder().register_forward_pre_hook(note, with_kwargs=True)
    return shapes


def test_no_pass_is_larger_than_the_batch_size_and_short_prompts_come_first(
    make_lm: MakeLM, prompts: list[Prompt]
) -> None:
    lm = make_lm(batch_size=3)
    lengths = sorted(len(ids) for ids in lm.reader.read(prompts))
    assert len(prompts) == 8 and len(set(lengths)) > 2
    shapes = passes(lm)
    lm.act(prompts)
    # Eight prompts in threes; each pass is as long as its longest prompt.
    assert shapes == [(3, lengths[2]), (3, lengths[5]), (2, lengths[7])]


def test_the_prompts_of_a_pass_share_its_time(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm(batch_size=4)
    order = sorted(prompts, key=lambda prompt: len(lm.reader.read([prompt])[0]))
    start = time.perf_counter()
    seconds = [reply.usage.seconds for reply in lm.act(order)]
    around = time.perf_counter() - start
    assert len(set(seconds[:4])) == len(set(seconds[4:])) == 1
    assert 0.0 < sum(seconds) <= around


def test_processor_time_and_tokens_are_counted(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    before = time.process_time()
    replies = lm.act(prompts)
    spent = time.process_time() - before
    total = reduce(add, (reply.usage for reply in replies))
    assert 0 < total.cpu_seconds <= spent + 1e-3
    for reply in replies:
        assert reply.usage.output_tokens == len(lm.action_ids([reply.action])[0])
        assert reply.usage.cached_tokens == reply.usage.cache_write_tokens == 0
    (written,) = make_lm(choose="generate").act(prompts[:1])
    assert 1 <= written.usage.output_tokens <= 16


def test_time_of_other_threads_is_not_charged(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    """A learner works beside the models; with one thread for them its time is left out."""
    lm, done = make_lm(), threading.Event()

    def learn() -> None:
        while not done.is_set():
            torch.randn(200, 200) @ torch.randn(200, 200)

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    learner = threading.Thread(target=learn)
    learner.start()
    try:
        before = time.thread_time()
        replies = lm.act(prompts)
        own = time.thread_time() - before
    finally:
        done.set()
        learner.join()
        torch.set_num_threads(threads)
    assert sum(reply.usage.cpu_seconds for reply in replies) <= own + 1e-6


def test_on_a_cpu_no_energy_is_counted(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    assert {reply.usage.joules for reply in make_lm().act(prompts)} == {0.0}


# Settings.


def test_a_models_own_settings_hold_unless_others_are_given(
    make_lm: MakeLM, tmp_path: Path
) -> None:
    own = {"history": 2, "max_tokens": 300, "scoring": "glam", "choose": "generate"}
    make_lm().save(tmp_path)
    (tmp_path / "londi.json").write_text(json.dumps(own))
    lm = Seq2SeqModel.load(str(tmp_path))
    assert (lm.history, lm.reader.max_tokens) == (2, 300)
    assert Seq2SeqModel.load(str(tmp_path), history=1).history == 1
    again = Seq2SeqModel(lm.model, lm.tokenizer, "another name", **own)  # type: ignore[arg-type]
    assert again.fingerprint == lm.fingerprint


def test_what_is_tried_at_load_leaves_no_trace(make_lm: MakeLM) -> None:
    """A few prompts are generated for with little room, to see whether a batch matters."""
    lm = make_lm(max_new_tokens=9, max_tokens=12)
    plain = Seq2SeqModel(lm.model, lm.tokenizer, "tiny", max_new_tokens=9, max_tokens=12, history=3)
    assert lm.fingerprint == plain.fingerprint
    with pytest.warns(UserWarning, match="is cut to 12"):  # it was not said at load
        lm.act(PROMPTS)


def test_an_unknown_number_format_is_named(make_lm: MakeLM) -> None:
    with pytest.raises(UnknownName, match="'float23'; did you mean 'float32'"):
        make_lm(dtype="float23")


def test_spreading_a_model_takes_a_package(
    make_lm: MakeLM, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_lm().name
    monkeypatch.setitem(sys.modules, "accelerate", None)
    with pytest.raises(MissingExtra, match=r"accelerate is not installed.*londi\[gpu\]"):
        Seq2SeqModel.load(folder, device="auto")


def test_a_greedy_model_has_no_state(make_lm: MakeLM, prompts: list[Prompt]) -> None:
    lm = make_lm()
    first = lm.act(prompts)
    assert lm.state() is None
    lm.load_state({"bit_generator": "PCG64"})
    assert [reply.action for reply in lm.act(prompts)] == [reply.action for reply in first]
