"""What an installed wheel must do, with or without extras: `scripts/wheels` runs it."""

from importlib.metadata import distribution
from importlib.util import find_spec

import numpy as np

import londi
from londi.cli.main import VERBS
from londi.models.registry import builtin_models
from londi.switching.switcher import ConstantSwitcher

files = [str(file) for file in distribution("londi").files or ()]
assert "londi/py.typed" in files
assert not [file for file in files if file.startswith(("tests", "src"))], files
assert not [file for file in files if file.endswith((".bin", ".pt", ".pkl"))], files
assert len(builtin_models()) >= 4
for name in builtin_models():  # their weights are in the wheel
    assert f"londi/builtin/{name.partition(':')[2]}/model.safetensors" in files, name

assert issubclass(londi.Switcher, object) and "pull" in VERBS
allowed = np.array([[True, True], [True, False]])
decision = ConstantSwitcher(1.0).decide(np.zeros((2, 1)), allowed, np.random.default_rng(0))
assert decision.choice.tolist() == [1, 0]
if find_spec("starlette") and find_spec("uvicorn"):  # the extra `serve`
    import londi.serve.gateway
if find_spec("torch") is None:
    try:
        londi.train  # noqa: B018
    except londi.LondiError as error:
        assert "pip install 'londi[train]'" in str(error)
    else:
        raise AssertionError("a training without torch")
