"""Prompts of conversations with tools."""

from __future__ import annotations

import json

import pytest

from envs.toolcalls.test_tasks import named
from londi.envs.prompt import Prompt
from londi.envs.toolcalls.prompt import ToolHistory, ToolPrompt, described
from londi.envs.toolcalls.tasks import Function

LS = Function(
    "ls",
    {
        "name": "ls",
        "description": "This tool belongs to a file system. Tool description: List the contents."
        " Hidden ones too.",
        "parameters": {
            "type": "dict",
            "properties": {
                "path": {"type": "string", "description": "Where."},
                "a": {"type": "boolean", "description": "All.", "default": False},
                "depth": {"type": "integer", "description": "How deep."},
            },
            "required": ["path"],
        },
    },
)


def test_a_function_is_described_in_three_lengths() -> None:
    signature = "ls(path: str, a: bool = False, depth: int = None)"
    assert described([LS, LS], "signatures") == f"{signature}\n{signature}"
    assert described([LS], "sentences") == f"{signature}: List the contents."
    assert json.loads(described([LS], "full")) == LS.entry


def test_every_function_of_bfcl_eval_can_be_described() -> None:
    for name in ("multi_turn_base_0", "multi_turn_base_60", "multi_turn_base_199"):
        functions = named(name).functions[0]
        lines = described(functions, "sentences").splitlines()
        assert len(lines) == len(functions)
        for function, line in zip(functions, lines, strict=True):
            assert line.startswith(f"{function.name}(") and line.endswith(".")
            assert "This tool belongs" not in line


INFO = {"goal": "list it", "actions": (), "functions": "ls()", "expert": "ls()"}


def conversation() -> ToolPrompt:
    history = ToolHistory("User: go in", INFO | {"goal": "go in"})
    history.add("cd('a')", "Result: a", INFO | {"goal": "go in"})
    history.add("Done.", "User: list it", INFO)
    history.add("ls()", "Result: x", INFO)
    return history.prompt()


def test_a_prompt_shows_functions_and_the_whole_conversation() -> None:
    head, _, rest = conversation().text().partition("\n\n")
    assert head.startswith("Fulfil each request by calling functions, one at a time")
    assert rest == (
        "ls()\n\nUser: go in\nAgent: cd('a')\nResult: a\nAgent: Done.\nUser: list it\nAgent: ls()\n"
        "Result: x\nAgent:"
    )


def test_the_request_is_shown_also_where_it_is_long_ago() -> None:
    prompt = conversation().recent(1)
    assert prompt.text().endswith("ls()\n\nUser: list it\n...\nResult: x\nAgent:")
    assert (
        conversation().recent(2).text().endswith("\nUser: list it\nAgent: ls()\nResult: x\nAgent:")
    )


def test_the_advice_is_no_part_of_the_text() -> None:
    prompt = conversation()
    assert isinstance(prompt, Prompt) and prompt.expert == "ls()"
    history = ToolHistory("User: go in", INFO | {"expert": "rm('all')"})
    assert "rm" not in history.prompt().text()


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9])
def test_a_shorter_history_keeps_the_last_observations(n: int) -> None:
    prompt = conversation().recent(n)
    assert len(prompt.observations) == min(n, 4) == len(prompt.past) + 1
