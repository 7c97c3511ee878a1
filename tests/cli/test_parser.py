"""Help and arguments: groups, plain words, flags, version."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from dataclasses import fields
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import Any

import pytest
import yaml

from londi.cli import finetune, train
from londi.cli.arguments import spelled
from londi.cli.main import VERBS, main
from londi.cli.options import FLAG
from londi.cli.parser import options_of, parse, verb_parser
from londi.config import FinetuneConfig, TrainConfig
from londi.errors import LondiError


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


@pytest.mark.parametrize(
    ("given", "options"),
    [
        (["--env_options.limit", "8"], {"limit": 8}),
        (["--env-options.limit=-1", "--env_options.on", "true"], {"limit": -1, "on": True}),
        (["--env_options.a.b", "3", "--env_options.a.c", "x"], {"a": {"b": 3, "c": "x"}}),
        (["--env_options.a.b", "3", "--env_options", "{a: {c: [1]}}"], {"a": {"c": [1], "b": 3}}),
        (["--env_options.a", "{b: 1, c: 1}", "--env_options.a", "{b: 2}"], {"a": {"b": 2}}),
        (["--env_options.a", ".inf", "--env_options.b", "1e-5"], {"a": inf, "b": 1e-5}),
        (["--env_options", "{a: '8', b: {c: 'no'}}"], {"a": "8", "b": {"c": "no"}}),
        (["--env_options.a", "'8'"], {"a": "8"}),
    ],
)
def test_values_within_a_setting(given: list[str], options: dict[str, object]) -> None:
    """jsonargparse would read a text in quotes once more, and keep one of two keys within a key."""
    asked = parse(VERBS, ["train", "--out", "x", *given])
    assert asked is not None
    assert asked[1].env_options == options


def test_values_within_a_setting_are_added_to_those_of_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("env_options: {a: '8', b: {c: 1, d: 2}}\nseed: 3\n")
    given = ["train", "--config", str(file), "--env_options.b.c", "5"]
    asked = parse(VERBS, given)
    assert asked is not None and asked[1].seed == 3
    assert asked[1].env_options == {"a": "8", "b": {"c": 5, "d": 2}}
    with pytest.raises(SystemExit):
        parse(VERBS, [*given, "--print_config"])
    assert yaml.safe_load(capsys.readouterr().out)["env_options"]["b"] == {"c": 5, "d": 2}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--env_options.a"], "--env_options.a: expected a value"),
        (["--env_options.a", "--seed", "3"], "--env_options.a: expected a value"),
        (["--env_options.a", "{b: 1, b: 2}"], "env_options.a: line 1: b stands twice"),
        (["--env_options", "{a: 3}", "--env_options.a.b", "1"], "env_options.a: expected keys"),
        (["--env_options", "{a: 1, a: 2}"], "env_options: line 1: a stands twice"),
        (["--env_options", "{a: 1"], "env_options: not YAML: "),
        (["--env_option.a", "1"], "did you mean '--env_options'?"),
        (["--univ", "true"], "did you mean '--universal'?"),
    ],
)
def test_what_is_wrong_within_a_setting_is_said(given: list[str], message: str) -> None:
    with pytest.raises(LondiError, match=re.escape(message)) as caught:
        parse(VERBS, ["train", "--out", "x", *given])
    assert len(str(caught.value).splitlines()) == 1


def test_flags_are_those_of_true_and_false() -> None:
    assert options_of(verb_parser(VERBS["train"]), FLAG) == {"--universal", "--foresight"}
    assert spelled(["--call-rate", "a-b", "--universal"], set()) == [
        "--call_rate",
        "a-b",
        "--universal",
    ]
