"""The command line as a user meets it: what it prints, what it leaves, how it ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cli.calling import call
from londi.cli.main import VERBS
from londi.cli.parser import verb_parser


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("tran", "unknown verb 'tran'; did you mean 'train'?"),
        ("train --cots 1", "unknown option '--cots'; did you mean '--cost'?"),
        ("demo runs/demo", "expected an option, --NAME, got 'runs/demo'"),
        ("demo -out runs/demo", "unknown option '-out'; did you mean '--out'?"),
        ("evaluate run --epsiodes 1", "unknown option '--epsiodes'; did you mean '--episodes'?"),
        ("train --lm-batch-size=-1", "lm_batch_size: expected a whole number >= 1, got -1"),
        ("train --cost=-1", "cost: expected a number >= 0, got -1.0"),
        ("train --cost abc", "cost: expected a number, got abc"),
        ("train --cost nan", "cost: expected a number, got nan"),
        ("train --cost inf", "cost: expected a number, got inf"),
        ("train --budget 2.5", "budget: expected a whole number or 'none', got 2.5"),
        ("train --budget many", "budget: expected a whole number or 'none', got many"),
        ("train --budget=-2", "budget: expected a whole number >= 0 or none, got -2"),
        ("train --seed 2.5", "seed: expected a whole number, got 2.5"),
        ("train --choose both", "choose: expected 'score' or 'generate', got both"),
        ("train --gamma 1.5", "gamma: expected a number from 0 to 1, got 1.5"),
        (
            "train --env londi/BabyAIText-GoToLocl-v0",
            "unknown environment 'londi/BabyAIText-GoToLocl-v0'; "
            "did you mean 'londi/BabyAIText-GoToLocal-v0'?",
        ),
        (
            "train --quick builtin:babyai-quik",
            "unknown model 'builtin:babyai-quik'; did you mean 'builtin:babyai-quick'?",
        ),
        ("train --quick randm", "unknown model 'randm'; did you mean 'random'?"),
        ("train --quick no/such/model", "cannot load a model from 'no/such/model'"),
        (
            "train --quick random --encoder quik",
            "unknown encoder 'quik'; did you mean 'quick'?",
        ),
        ("train --quick random", "encoder: 'quick' needs a QUICK that gives an embedding"),
        ("train --quick ./no/model", "a model from './no/model': there is no such folder"),
        ("train --config missing.yaml", "config: there is no file"),
        ("train --env_options {memry:2}", "env_options"),
        (
            "train --env_options.memry 2",
            "unknown option of londi/BabyAIText-MixedTrainLocal-v0 'memry'; did you mean 'memory'?",
        ),
        (
            "train --env londi/ScienceWorld-v0 --env_options.tasks boill",
            "unknown ScienceWorld task 'boill'; did you mean 'boil'?",
        ),
        (
            "finetune --env londi/ScienceWorld-v0 --env_options.simplifications easi",
            "unknown ScienceWorld simplification 'easi'; did you mean 'easy'?",
        ),
        (
            "train --env londi/ScienceWorld-v0 --env_options.limit 0",
            "limit: expected a whole number >= 1, got 0",
        ),
        (
            "train --env londi/ScienceWorld-v0 --quick random",
            "ScienceWorld-v0 gives one with --env_options.list_actions true",
        ),
        (
            "train --env_options.name x",
            "unknown option of londi/BabyAIText-MixedTrainLocal-v0 'name'",
        ),
        (
            "train --env_options.mix Foo",
            "unknown option of londi/BabyAIText-MixedTrainLocal-v0 'mix'",
        ),
        (
            "train --env_options.memory 0",
            "error: memory: expected a whole number >= 1 or nothing, got 0",
        ),
        ("train --env CartPole-v1", "env: expected texts to observe and act with, got Box"),
        ("train --env nomodule:Env-v0", "env: cannot import 'nomodule'"),
        (
            "train --steps 2000 --warmup 2000",
            "warmup: expected fewer steps than the 2,000 of the training",
        ),
        (
            "train --steps 2000000000",
            "steps: expected a whole number from 1 to 1,000,000,000, got 2000000000",
        ),
        ("evaluate run --sed 3", "unknown option '--sed'; did you mean '--seed'?"),
        ("demo --config x.yaml", "unknown option '--config'; did you mean '--out'?"),
        ("finetune --save_dtype float8", "save_dtype: expected 'float32'"),
        ("finetune --noise [5.0]", "noise: expected chances from 0 to 1, got [5.0]"),
        ("sweep", "grid: expected settings with their values, got none"),
        ("sweep --grid 5", "grid"),
        ("train --env_options {1:2}", "env_options: line 1: expected a text for a key, got 1:2"),
        ("train --cost_range [0.1]", "cost_range: expected a list of 2, got [0.1]"),
        ("train --budget 30 --universal true", "budget: expected at most 20 or none"),
        ("train --algorithm sca", "unknown algorithm 'sca'; did you mean 'sac'?"),
        ("finetune --heads 3", "heads: expected a number that divides d_model = 128, got 3"),
        ("finetune --phrases ['[']", "phrases: expected regular expressions, got '['"),
        ("limit --episodes 99999999999", "episodes: expected a whole number from 1 to 1,000,000"),
        ("evaluate run --episodes 99999999999", "episodes: expected a whole number from 1 to"),
        ("train --env_options 5", "env_options: expected keys with values, got 5"),
        ("train --cost_range 1", "cost_range: expected a list, got 1"),
        ("train --universal maybe", "universal: expected true or false, got maybe"),
        ("sweep --grid 5", "grid: expected a list, got 5"),
        ("evaluate run --cost abc", "cost: expected a number, got abc"),
        ("evaluate", "expected londi evaluate RUN [RUN ...] [OPTION ...]"),
        ("finetune --steps 0", "steps: expected a whole number >= 1, got 0"),
    ],
)
def test_bad_input_is_one_line_and_leaves_nothing(
    arguments: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    given = arguments.split()
    if given[0] in ("train", "sweep", "finetune", "limit"):
        given += ["--out", str(out)] + (["--cache", "none"] if given[0] == "train" else [])
    assert call(*given) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("londi: error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not out.exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cots: 1\n", "unknown key 'cots'; did you mean 'cost'?"),
        ("sac:\n  tau: 1\n", "unknown key 'sac.tau'; did you mean 'tau'?"),
        ("cost: abc\n", "cost: expected a number, got abc"),
        ("budget: null\n", "budget: expected a whole number or 'none', got nothing"),
        ("cost: [\n", "not YAML: while parsing a flow node expected the node content, but found"),
        ("cost:\n", "line 1: cost has no value"),
        ("seed: 1\nenv_options:\n", "line 2: env_options has no value"),
        ("cost: 1\nseed: 1\ncost: 2\n", "line 3: cost stands twice, first in line 1"),
        ("1: 2\n", "line 1: expected a text for a key, got 1"),
        ("- 1\n", "expected keys with values"),
        ("null\n", "expected keys with values"),
        ("just words\n", "expected keys with values, got just words"),
    ],
)
def test_a_bad_file_is_one_line(
    text: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    assert call("train", "--config", str(file), "--out", str(tmp_path / "run")) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith("londi: error: ")
    assert printed.err.count("\n") == 1
    assert message in printed.err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("verb", ["train", "finetune", "frontier"])
def test_a_run_needs_a_folder(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(verb) == 2
    assert "expected --out DIR" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        "train --resume {}",
        "evaluate {}",
        "finetune --resume {}",
        "frontier --resume {}",
        "frontier {} --out {}/f",
    ],
)
def test_a_folder_without_a_run_is_said_so(
    arguments: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*arguments.format(tmp_path, tmp_path).split()) == 2
    assert "no run in" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--help"], *([verb, "--help"] for verb in VERBS)])
def test_help_is_given(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert call(*arguments) == 0
    assert "usage: londi" in capsys.readouterr().out


def test_every_setting_has_a_sentence() -> None:
    for verb in VERBS.values():
        for action in verb_parser(verb)._actions:
            assert action.help, f"{verb.name} {action.dest}"


@pytest.mark.parametrize("more", [["--cost", "0.5"], ["--overwrite"], ["--out", "elsewhere"]])
def test_a_run_that_goes_on_takes_no_other_settings(
    more: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("train", "sweep", "finetune", "frontier"):
        if verb == "train" or more[0] != "--cost":
            assert call(verb, "--resume", str(tmp_path), *more) == 2
            error = capsys.readouterr().err
            assert f"expected --resume alone, got {more[0]} as well" in error


def test_a_configuration_that_is_no_text_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
    assert call("train", "--config", str(tmp_path / "c.yaml"), "--out", str(tmp_path / "run")) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_a_reader_that_leaves_is_no_error() -> None:
    process = subprocess.run(
        f"{sys.executable} -m londi envs | head -1", shell=True, capture_output=True, text=True
    )
    assert process.stdout.startswith("BabyAI")
    assert process.stderr == ""


def test_a_module_of_the_working_folder_can_be_named(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("raise ImportError('found me')\n")
    # As the installed command starts: without the working folder on the path.
    code = (
        "import sys\n"
        "sys.path = [p for p in sys.path if p not in ('', sys.argv[1])]\n"
        "from londi.cli.main import main\n"
        "main(['train', '--env', 'mine:X-v0', '--cache', 'none', '--out', 'run'])"
    )
    process = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=tmp_path, capture_output=True, text=True
    )
    assert process.returncode == 2
    assert process.stderr == "londi: error: env: cannot import 'mine': found me\n"


@pytest.mark.parametrize("verb", ["train", "finetune"])
def test_a_folder_that_no_disk_can_hold_is_one_line(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, reason in (("x" * 300, "File name too long"), ("a\0b", "null byte")):
        assert call(verb, "--out", str(tmp_path / name)) == 2
        err = capsys.readouterr().err
        assert err.startswith("londi: error: path ") and reason in err
        assert err.count("\n") == 1


def test_the_home_folder_can_be_written_short(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(work)
    assert call("train", "--config", str(config), "--out=~/run") == 0
    assert (home / "run" / "checkpoint").is_dir()
    assert call("train", "--resume", "~/run") == 0
    small = ["--episodes", "2", "--validation_episodes", "1"]
    assert call("evaluate", "~/run", "--out", "~/figures", *small) == 0
    assert (home / "figures" / "results.json").is_file()
    assert list(work.iterdir()) == []
