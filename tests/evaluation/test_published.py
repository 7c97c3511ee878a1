"""Switchers that are pushed and pulled: a folder, and a stand-in of the Hugging Face Hub."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import yaml
from huggingface_hub import HfApi, ModelCard

from hidden import without_train
from hub_server import TOKEN, Hub, Repository
from londi.cli.main import main
from londi.config import EvaluateConfig, TrainConfig
from londi.errors import DamagedFile, InvalidConfig, LondiError, OutputExists
from londi.evaluation.evaluate import evaluate, results, write_results
from londi.evaluation.published import CARD, FILES, MANIFEST, SWITCHER, pull, push, push_folder
from londi.learning.trainer import train
from londi.storage.runs import create_run, read_run
from londi.switching.observation import CONTEXT
from londi.switching.switcher import OnnxSwitcher, Switcher
from playthings import TOY, same, toy

SHORT = replace(TOY, steps=200, warmup=100, checkpoint_every=100)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training that has ended and was evaluated."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train(replace(SHORT, cache="~/private/answers.sqlite"), folder, pair=toy())
    evaluation = evaluate(folder, EvaluateConfig(episodes=4, validation_episodes=2), pair=toy())
    write_results(folder, results([evaluation]))
    (folder / "notes.txt").write_text("not for everybody")
    return folder


@pytest.fixture(scope="module")
def pushed(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pushed") / "switcher"
    push_folder(run, folder, pair=toy())
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with Hub() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_XET", True)
        yield hub


def content(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


def is_the_switcher_of(run: Path, folder: Path) -> None:
    """Assert that `folder` holds the Switcher of `run`, in both of its forms."""
    assert same(run, folder)
    pair = toy()
    learned = Switcher.load(folder, pair.quick, pair.deepthink)
    exported = Switcher.load(folder / SWITCHER)
    assert isinstance(exported, OnnxSwitcher)
    rng = np.random.default_rng(0)
    size = exported.made.features + CONTEXT
    observation = rng.normal(size=(50, size)).astype(np.float32)
    allowed = np.ones((50, 2), bool)
    given = [one.call_probability(observation, allowed) for one in (learned, exported)]
    np.testing.assert_allclose(*given, atol=1e-5)


def test_a_folder_holds_the_switcher_and_nothing_else(run: Path, pushed: Path) -> None:
    is_the_switcher_of(run, pushed)
    assert set(content(pushed)) <= {*FILES, MANIFEST, CARD}
    assert {"results.json", "models.json"} < set(content(pushed))
    assert "private" not in (pushed / "config.yaml").read_text()
    assert read_run(pushed, TrainConfig) == replace(
        read_run(run, TrainConfig), cache=TrainConfig.cache
    )


def test_a_card_says_what_it_is_and_how_it_did(run: Path, pushed: Path) -> None:
    _, metadata, text = (pushed / CARD).read_text().split("---\n", 2)
    told = yaml.safe_load(metadata)
    assert told["library_name"] == "londi" and "base_model" not in told
    (played,) = told["model-index"][0]["results"]
    figures = {row["method"]: row for row in json.loads((run / "results.json").read_text())}
    assert played["metrics"][0] == {
        "type": "return",
        "value": round(figures["londi"]["return_mean"], 4),
    }
    # The Hub's own library reads the figures, too.
    read = ModelCard((pushed / CARD).read_text()).data.eval_results
    assert {one.metric_type: one.metric_value for one in read}["call rate"] == round(
        figures["londi"]["call_rate"], 4
    )
    assert "`quick`" in text and "`deepthink`" in text and "4 held-out episodes" in text
    assert f"| londi | {figures['londi']['return_mean']:.3f} |" in text


def test_what_is_pulled_is_what_was_pushed(run: Path, pushed: Path, tmp_path: Path) -> None:
    made = pull(str(pushed), tmp_path / "pulled")
    assert content(tmp_path / "pulled") == content(pushed)
    assert made.bytes == sum(
        len(content(pushed)[name]) for name in FILES if (pushed / name).is_file()
    )
    again = evaluate(
        tmp_path / "pulled", EvaluateConfig(episodes=4, validation_episodes=2), pair=toy()
    )
    told = json.loads((run / "results.json").read_text())
    assert [r.return_mean for r in results([again])] == [row["return_mean"] for row in told]


def test_pulling_needs_no_torch(pushed: Path, tmp_path: Path) -> None:
    ran = without_train(
        "import sys; from londi.cli.main import main; main(sys.argv[1:])",
        *("pull", str(pushed), "--out", str(tmp_path / "pulled")),
    )
    assert ran.returncode == 0, ran.stderr
    assert content(tmp_path / "pulled") == content(pushed)


# huggingface_hub uploads to LFS in a way that its HTTP client would rather not have.
@pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
@pytest.mark.parametrize("lfs", [(), (".onnx", ".safetensors")])
def test_a_private_repository_there_and_back(
    run: Path, tmp_path: Path, hub: Hub, lfs: tuple[str, ...]
) -> None:
    hub.lfs = lfs
    made = push(run, "me/switcher", pair=toy())
    repository = hub.repositories["me/switcher"]
    assert repository.private and repository.head == made.commit and len(repository.commits) == 2
    got = pull("me/switcher", tmp_path / "pulled")
    assert got.commit == made.commit
    is_the_switcher_of(run, tmp_path / "pulled")
    assert content(tmp_path / "pulled").items() <= repository.commits[made.commit].items()
    assert len(hub.blobs) == len(lfs)


def test_the_token_is_that_of_the_environment_alone(
    run: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(run, "me/switcher", pair=toy())
    saved = tmp_path / "token"
    saved.write_text(TOKEN)  # what a login leaves
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(saved))
    monkeypatch.delenv("HF_TOKEN")
    hub.asked.clear()
    with pytest.raises(LondiError, match="private and the token in HF_TOKEN does not") as caught:
        pull("me/switcher", tmp_path / "pulled")
    assert len(str(caught.value).splitlines()) == 1
    assert hub.asked and not any(own for _, own in hub.asked)
    monkeypatch.setenv("HF_TOKEN", "hf_another_secret")
    with pytest.raises(LondiError) as caught:
        push(run, "me/other", pair=toy())
    assert "hf_another_secret" not in str(caught.value)
    assert not (tmp_path / "pulled").exists()


def test_a_public_repository_is_one_that_was_asked_for(
    run: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(run, "me/switcher", public=True, pair=toy())
    assert not hub.repositories["me/switcher"].private
    monkeypatch.delenv("HF_TOKEN")
    pull("me/switcher", tmp_path / "pulled")


def test_nothing_is_overwritten_without_a_word(
    run: Path, pushed: Path, tmp_path: Path, hub: Hub
) -> None:
    push(run, "me/switcher", pair=toy())
    repository = hub.repositories["me/switcher"]
    first = repository.head
    with pytest.raises(OutputExists, match="holds files; give --overwrite"):
        push(run, "me/switcher", pair=toy())
    assert repository.head == first
    repository.commit(
        repository.commits[first] | {"their own.txt": b"", "checkpoint/operating.json": b"{}"}
    )
    push(run, "me/switcher", overwrite=True, pair=toy())
    # What an earlier Switcher has left is removed, and nothing of somebody's own.
    assert "checkpoint/operating.json" not in repository.commits[repository.head]
    assert "their own.txt" in repository.commits[repository.head]

    pull("me/switcher", tmp_path / "pulled")
    (tmp_path / "pulled" / CARD).write_text("mine")
    for place in ("me/switcher", str(pushed)):
        with pytest.raises(OutputExists, match="exists"):
            pull(place, tmp_path / "pulled")
    with pytest.raises(OutputExists, match="exists"):
        push_folder(run, tmp_path / "pulled", pair=toy())
    assert (tmp_path / "pulled" / CARD).read_text() == "mine"
    pull("me/switcher", tmp_path / "pulled", overwrite=True)
    assert (tmp_path / "pulled" / CARD).read_text() != "mine"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "letter.txt").write_text("mine")
    with pytest.raises(OutputExists, match="no run of londi"):
        pull("me/switcher", tmp_path / "own", overwrite=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["own", "pulled"]


def test_a_commit_that_came_between_is_kept(
    run: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(run, "me/switcher", pair=toy())
    repository = hub.repositories["me/switcher"]
    plain = HfApi.create_commit

    def late(*args: object, **named: object) -> object:
        repository.commit({"of somebody else": b""})
        return plain(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(HfApi, "create_commit", late)
    with pytest.raises(LondiError, match="cannot use the repository"):
        push(run, "me/switcher", overwrite=True, pair=toy())
    assert set(repository.commits[repository.head]) == {"of somebody else"}


def _copied(pushed: Path, folder: Path) -> Path:
    for name, data in content(pushed).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def _named(folder: Path, name: str, data: bytes) -> None:
    """Put a file into the folder and into its manifest."""
    with suppress(OSError):
        (folder / name).write_bytes(data)
    told = json.loads((folder / MANIFEST).read_text())
    told["files"][name] = {"bytes": len(data), "sha256": sha256(data).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(told))


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("cut short", r"checkpoint/state\.safetensors is damaged"),
        ("one bit", r"switcher\.onnx is damaged"),
        ("missing", "has no file 'config.yaml'"),
        ("no manifest", "has no file 'londi.json'"),
        ("no JSON", r"londi\.json is none of `londi push`"),
        ("pickle", r"expected files of a Switcher alone, got 'pytorch_model\.bin'"),
        ("outside", r"expected files of a Switcher alone, got '\.\./outside'"),
        ("needed", r"londi\.json lacks 'switcher\.onnx'"),
        ("no graph", "is no model in ONNX's format"),
        ("another format", "expected format 1, got 2"),
        ("no run", "'config.yaml': steps: expected a whole number"),
        ("a cache", "expected the default cache"),
    ],
)
@pytest.mark.parametrize("place", ["folder", "hub"])
def test_what_is_damaged_or_foreign_is_refused_and_nothing_is_left(
    pushed: Path, tmp_path: Path, what: str, said: str, place: str, hub: Hub
) -> None:
    folder = _copied(pushed, tmp_path / "given")
    manifest = json.loads((folder / MANIFEST).read_text())
    if what == "cut short":
        file = folder / "checkpoint" / "state.safetensors"
        file.write_bytes(file.read_bytes()[:-1])
    elif what == "one bit":
        data = bytearray((folder / SWITCHER).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / SWITCHER).write_bytes(data)
    elif what == "missing":
        (folder / "config.yaml").unlink()
    elif what == "no manifest":
        (folder / MANIFEST).unlink()
    elif what == "no JSON":
        (folder / MANIFEST).write_text("{")
    elif what == "pickle":
        _named(folder, "pytorch_model.bin", b"\x80\x04.")
    elif what == "outside":
        _named(folder, "../outside", b"x")
    elif what == "needed":
        del manifest["files"][SWITCHER]
        (folder / MANIFEST).write_text(json.dumps(manifest))
    elif what == "no graph":
        _named(folder, SWITCHER, b"no graph")
    elif what == "another format":
        (folder / MANIFEST).write_text(json.dumps(manifest | {"format": 2}))
    elif what == "no run":
        _named(folder, "config.yaml", b"steps: many\n")
    elif what == "a cache":
        text = (folder / "config.yaml").read_text()
        other = text.replace(TrainConfig.cache, "redis://elsewhere:1/0")
        assert other != text
        _named(folder, "config.yaml", other.encode())
    source = str(folder)
    if place == "hub":
        source = "me/switcher"
        hub.repositories[source] = repository = Repository(False)
        repository.commit(content(folder))
    with pytest.raises(LondiError, match=said) as caught:
        pull(source, tmp_path / "new" / "pulled")
    assert len(str(caught.value).splitlines()) == 1
    assert str(tmp_path / "new") not in str(caught.value)
    assert not list((tmp_path / "new").iterdir())


def test_a_card_that_was_removed_or_written_anew_harms_nothing(
    pushed: Path, tmp_path: Path
) -> None:
    folder = _copied(pushed, tmp_path / "given")
    (folder / CARD).write_text("a better card")
    pull(str(folder), tmp_path / "one")
    assert (tmp_path / "one" / CARD).read_text() == "a better card"
    (folder / CARD).unlink()
    pull(str(folder), tmp_path / "two")
    assert not (tmp_path / "two" / CARD).exists()


@pytest.mark.parametrize("broken", ["GET /me/switcher/resolve", "HEAD /me/switcher/resolve"])
def test_a_hub_that_fails_in_between_leaves_nothing(
    run: Path, tmp_path: Path, hub: Hub, broken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)  # the library waits between its tries
    made = push(run, "me/switcher", pair=toy())
    hub.broken = f"{broken}/{made.commit}/switcher.onnx"
    with pytest.raises(LondiError, match="cannot use the repository") as caught:
        pull("me/switcher", tmp_path / "pulled")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())
    hub.broken = "POST /api/models/me/other/commit"
    with pytest.raises(LondiError, match="cannot use the repository"):
        push(run, "me/other", pair=toy())
    hub.broken = ""
    push(run, "me/other", pair=toy())  # the repository was left empty


def test_what_is_not_there_is_named(
    run: Path, tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(run, "me/switcher", pair=toy())
    for source, revision, said in (
        ("me/nothing", "", "there is no repository 'me/nothing' of http"),
        ("me/switcher", "v9", "has no revision 'v9'"),
        ("no/such/folder", "", "expected a repository OWNER/NAME, got 'no/such/folder'"),
    ):
        with pytest.raises(LondiError, match=said):
            pull(source, tmp_path / "pulled", revision=revision)
    with pytest.raises(InvalidConfig, match="revision: expected none of the folder"):
        pull(str(run), tmp_path / "pulled", revision="v1")
    with pytest.raises(DamagedFile, match=r"has no file 'londi\.json'"):
        pull(str(run), tmp_path / "pulled")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr("time.sleep", lambda _: None)
    with pytest.raises(LondiError, match="cannot use the repository") as caught:
        pull("me/switcher", tmp_path / "pulled")
    assert len(str(caught.value).splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_an_earlier_commit_can_be_pulled(run: Path, tmp_path: Path, hub: Hub) -> None:
    first = push(run, "me/switcher", pair=toy())
    repository = hub.repositories["me/switcher"]
    repository.commit({"londi.json": b"{}"})
    with pytest.raises(DamagedFile):
        pull("me/switcher", tmp_path / "newest")
    assert pull("me/switcher", tmp_path / "first", revision=first.commit).commit == first.commit


def test_a_training_that_has_not_ended_is_not_published(tmp_path: Path) -> None:
    assert not train(SHORT, tmp_path / "run", pair=toy(), should_stop=lambda: True)
    with pytest.raises(LondiError, match="has not ended; londi train --resume goes on"):
        push_folder(tmp_path / "run", tmp_path / "pushed", pair=toy())
    create_run(tmp_path / "empty", SHORT)
    with pytest.raises(LondiError, match="the state in"):
        push_folder(tmp_path / "empty", tmp_path / "pushed", pair=toy())
    assert not (tmp_path / "pushed").exists()


def test_a_login_in_the_address_of_a_model_is_not_published(run: Path, tmp_path: Path) -> None:
    folder = _copied(run, tmp_path / "run")
    text = (folder / "config.yaml").read_text()
    assert "quick: quick\n" in text
    named = "quick: openai:model@http://me:hunter2@localhost/v1\n"
    (folder / "config.yaml").write_text(text.replace("quick: quick\n", named))
    with pytest.raises(LondiError, match=r"quick: expected .* without a login") as caught:
        push_folder(folder, tmp_path / "pushed", pair=toy())
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ("push run", "expected either --repo OWNER/NAME or --out DIR"),
        ("push run --repo a/b --out c", "expected either --repo OWNER/NAME or --out DIR"),
        ("push run --out c --public", "--public: expected --repo as well"),
        ("push nothing --out c", "no run in 'nothing': it has no config.yaml"),
        ("pull nothing --out c --revision x", ""),
    ],
)
def test_the_command_line_says_in_one_line_what_is_wrong(
    args: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hub: Hub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        main(args.split())
    assert ended.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("londi: error: ") and said in line
    assert not list(tmp_path.iterdir())
