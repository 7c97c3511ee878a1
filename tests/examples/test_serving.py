"""The recipe of models on GPUs: its file as Ray Serve reads it, and londi in front of Ray Serve.

vLLM needs a GPU, so that an application of a few lines stands in for it here; Ray Serve, its HTTP
and londi are real.
"""

from __future__ import annotations

import json
import re
import shlex
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from hosts import EXAMPLES
from londi.cli.main import main
from londi.envs.prompt import Prompt
from londi.errors import ModelError
from londi.models.registry import load_model

serve = pytest.importorskip("ray.serve", exc_type=ImportError)

FILE = EXAMPLES / "serving" / "models.yaml"
PAGE = EXAMPLES.parent / "docs" / "how-to" / "gpu-serving.md"


@pytest.fixture(scope="module")
def recipe() -> Any:
    from ray.serve.schema import ServeDeploySchema

    return ServeDeploySchema.model_validate(yaml.safe_load(FILE.read_text()))


def models(recipe: Any) -> list[dict[str, Any]]:
    (application,) = recipe.applications
    found: list[dict[str, Any]] = application.args["llm_configs"]
    return found


def test_the_file_is_one_of_ray_serve(recipe: Any) -> None:
    (application,) = recipe.applications
    assert application.import_path == "ray.serve.llm:build_openai_app"
    assert [model["model_loading_config"]["model_id"] for model in models(recipe)] == [
        "quick",
        "deepthink",
    ]


def test_its_models_are_what_ray_takes_for_models(recipe: Any) -> None:
    # The public module takes vLLM; the schema of a model does not.
    configs = pytest.importorskip(
        "ray.llm._internal.serve.core.configs.llm_config", exc_type=ImportError
    )
    quick, deepthink = (configs.LLMConfig.model_validate(model) for model in models(recipe))
    assert (quick.model_id, deepthink.model_id) == ("quick", "deepthink")
    with pytest.raises(ValueError, match="engine_kwarg"):
        configs.LLMConfig.model_validate({**models(recipe)[0], "engine_kwarg": {}})


def test_the_page_names_the_models_at_the_address_of_the_file(recipe: Any) -> None:
    named = set(re.findall(r"openai:(\w+)@(\S+)", PAGE.read_text()))
    address = f"http://{recipe.http_options.host}:{recipe.http_options.port}/v1"
    assert named == {("quick", address), ("deepthink", address)}


@pytest.fixture(scope="module")
def address(recipe: Any) -> Iterator[str]:
    """Where Ray Serve serves stand-ins for the models of the recipe."""
    import ray
    from starlette.requests import Request
    from starlette.responses import JSONResponse

    @serve.deployment(ray_actor_options={"num_cpus": 0})
    class StandIn:
        """Chat completions of models that always say the same."""

        def __init__(self, says: dict[str, str]) -> None:
            self._says = says

        async def __call__(self, request: Request) -> JSONResponse:
            asked = await request.json()
            if request.url.path != "/v1/chat/completions" or asked["model"] not in self._says:
                return JSONResponse({"error": f"no model {asked['model']!r}"}, 404)
            message = {"role": "assistant", "content": self._says[asked["model"]]}
            return JSONResponse(
                {
                    "choices": [{"message": message, "finish_reason": "stop"}],
                    "usage": {"prompt_tokens": 30, "completion_tokens": 2},
                }
            )

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    patch = pytest.MonkeyPatch()
    patch.setenv("RAY_worker_niceness", "0")  # else the tests wait for all other processes
    patch.setenv("RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S", "120")  # begun again after 5 s otherwise
    quiet = {"include_dashboard": False, "log_to_driver": False, "logging_level": "ERROR"}
    ray.init(num_cpus=4, **quiet)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        says = dict(zip(["quick", "deepthink"], ["turn left", "go forward"], strict=True))
        serve.run(StandIn.bind(says), route_prefix="/")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        serve.shutdown()
        ray.shutdown()
        patch.undo()


def test_the_command_of_the_page_trains_on_models_behind_ray_serve(
    address: str, tmp_path: Path
) -> None:
    lines = PAGE.read_text().replace("\\\n", " ")
    (command,) = re.findall(r"^londi (train --quick openai:.*)$", lines, re.M)
    arguments = shlex.split(command)
    at = arguments.index("--out")
    arguments[at + 1] = str(tmp_path / "run")
    few = "--steps 64 --warmup 16 --num_envs 4 --cache memory --quiet"
    arguments = [re.sub(r"@http\S+", f"@{address}", argument) for argument in arguments]
    with pytest.raises(SystemExit) as ended:
        main([*arguments, *few.split()])
    assert not ended.value.code
    made_with = json.loads((tmp_path / "run" / "models.json").read_text())
    assert f"openai:deepthink@{address}" in json.dumps(made_with)


def test_a_model_that_is_not_served_is_refused_in_the_server_s_words(address: str) -> None:
    model = load_model(f"openai:large@{address}")
    with pytest.raises(ModelError, match=r"status 404: .*no model 'large'"):
        model.act([Prompt("go to the door", ("turn left",), ("You see a wall.",))])
