"""Help and arguments: groups, plain words, flags, version."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import fields
from importlib.metadata import version
from typing import Any

import pytest

from londi.cli import finetune, train
from londi.cli.main import VERBS, main
from londi.cli.parser import flags_of, parse, spelled, verb_parser
from londi.config import FinetuneConfig, TrainConfig


def help_of(verb: str, monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> str:
    monkeypatch.setenv("COLUMNS", str(columns))
    return verb_parser(VERBS[verb]).format_help()


@pytest.mark.parametrize("verb", VERBS)
def test_help_has_no_words_of_python(verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    text = help_of(verb, monkeypatch)
    for word in ("null", "None", "Union", "Optional", "Literal", "typing", "<class", "True"):
        assert not re.search(rf"(?<![\w-]){re.escape(word)}\b", text), word
    assert not re.search(r"type: |\b(?:int|str|bool|float)\b", text)
    assert "==" not in text


@pytest.mark.parametrize("verb", VERBS)
def test_help_fits_80_columns_but_for_its_examples(
    verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    text, _, _ = help_of(verb, monkeypatch).partition("examples:")
    assert max(map(len, text.splitlines())) <= 80


def test_help_of_train_is_in_groups_and_ends_with_examples(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = help_of("train", monkeypatch)
    titles = re.findall(r"^(\w[\w ]*):$", text, re.MULTILINE)
    assert titles == [
        "folder",
        "what matters first",
        "models",
        "price and budget",
        "learning",
        "learning from graphs",
        "learning from traces",
        "files",
        "workers on Ray",
        "options",
        "examples",
    ]
    first = text.partition("what matters first:")[2].partition("models:")[0]
    assert len(re.findall(r"^  --", first, re.MULTILINE)) <= 12
    assert text.rstrip().endswith("londi train --resume runs/mine")


@pytest.mark.parametrize(
    ("groups", "config"), [(train.GROUPS, TrainConfig), (finetune.GROUPS, FinetuneConfig)]
)
def test_every_setting_is_in_one_group(groups: dict[str, Any], config: type) -> None:
    named = [name for names in groups.values() for name in names]
    assert sorted(named) == sorted(field.name for field in fields(config))


@pytest.mark.parametrize("verb", VERBS)
def test_examples_can_be_run_as_they_stand(verb: str) -> None:
    for line in VERBS[verb].examples:
        arguments = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", line)]
        assert arguments[0] == "londi"
        if "--config" not in arguments:  # its file is not everywhere
            assert parse(VERBS, arguments[1:]) is not None


def test_help_needs_no_torch_and_little_time() -> None:
    code = (
        "import sys\nfrom londi.cli.main import main\n"
        "try: main(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'minigrid', 'matplotlib'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.splitlines()[-1] == "[]"
    before = time.process_time()
    for name in VERBS:
        verb_parser(VERBS[name])
    assert time.process_time() - before < 1.0


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"londi {version('londi')}\n"


@pytest.mark.parametrize(
    ("given", "universal"),
    [
        ("--universal", True),
        ("--universal true", True),
        ("--universal=true", True),
        ("--universal True", True),
        ("--universal false", False),
        ("--universal=false", False),
        ("--universal --steps 5000", True),
        ("--seed 3 --universal", True),
        ("", False),
    ],
)
def test_a_flag_needs_no_value(given: str, universal: bool) -> None:
    asked = parse(VERBS, ["train", "--out", "x", *given.split()])
    assert asked is not None
    assert asked[1].universal is universal


def test_a_flag_takes_no_folder_for_its_value() -> None:
    asked = parse(VERBS, ["evaluate", "--greedy", "runs/a", "runs/b"])
    assert asked is not None
    assert asked[1].greedy is True and asked[1].runs == ["runs/a", "runs/b"]


def test_flags_are_those_of_true_and_false() -> None:
    assert flags_of(verb_parser(VERBS["train"])) == {"--universal", "--foresight"}
    assert spelled(["--call-rate", "a-b", "--universal"], set()) == [
        "--call_rate",
        "a-b",
        "--universal",
    ]
