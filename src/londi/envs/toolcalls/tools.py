"""The tools of a conversation: bfcl_eval's stateful classes, and its checks of what was done.

bfcl_eval keeps its instances in a module's globals and evaluates texts. Here each episode has
instances of its own, and a method is called with literals that were parsed. This file does not know
conversations.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from decimal import localcontext
from difflib import get_close_matches
from importlib import import_module
from random import Random
from typing import Any

from londi.envs.toolcalls.calls import Call
from londi.envs.toolcalls.tasks import Task

_BOUNDED = ("exponent", "precision", "decimal_places")
"""Parameters whose size decides how long a function takes."""
_MOST = 1_000


class Toolbox:
    """Instances of the classes of one task, in their first state.

    Args:
        task: the task.

    Attributes:
        apis: the instances by the names of their classes.
        names: the functions that can be called.
    """

    def __init__(self, task: Task) -> None:
        self.apis = {api: _made(api, task) for api in task.apis}
        self._methods: dict[str, Callable[..., object]] = {
            name: method
            for instance in self.apis.values()
            for name, method in inspect.getmembers(instance, inspect.ismethod)
            if not name.startswith("_")
        }
        self.names = self._methods.keys()

    def execute(self, call: Call) -> str:
        """The result of a call as bfcl_eval writes it; that of a call that fails says why."""
        import mpmath

        try:
            _, given = self.arguments(call)
            for name, value in given.items():
                _check_size(name, value)
            method = self._method(call.name)
            # Some methods set the precision of the whole process.
            with localcontext(), mpmath.workdps(15):
                return _written(method(*call.positional, **call.named))
        except Exception as error:  # whatever a tool raises, as bfcl_eval has it
            return f"Error during execution: {error}"

    def state(self) -> object:
        """All that later results depend on; equal for toolboxes that behave alike."""
        return frozen(self.apis)

    def arguments(self, call: Call) -> tuple[str, Mapping[str, object]]:
        """The function and its arguments by name: equal for calls that do the same.

        Raises:
            NameError: if there is no such function.
            TypeError: if it does not take these arguments.
        """
        bound = inspect.signature(self._method(call.name)).bind(*call.positional, **call.named)
        bound.apply_defaults()
        return call.name, bound.arguments

    def _method(self, name: str) -> Callable[..., object]:
        if name not in self._methods:
            near = get_close_matches(name, self._methods, 1)
            hint = f"; did you mean '{near[0]}'?" if near else ""
            raise NameError(f"name '{name}' is not defined{hint}")
        return self._methods[name]


def passed(
    own: Toolbox, reference: Toolbox, calls: int, results: Sequence[str], expected: Sequence[str]
) -> bool:
    """Whether a turn is done as bfcl_eval demands.

    The state of every class is that of the reference, and all results that the solution has got in
    this turn were got in this or an earlier one. Where the solution calls nothing, nothing is
    checked.

    Args:
        own: the toolbox that was used.
        reference: a toolbox in which the solution was executed up to this turn.
        calls: calls that were made in this turn.
        results: results of all calls so far.
        expected: results of the solution's calls in this turn.
    """
    from bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker import (
        response_checker,
        state_checker,
    )

    if not expected:
        return True
    if not calls:
        return False
    try:
        same = state_checker(own.apis, reference.apis)["valid"]
    except RecursionError:  # a directory was moved into itself
        return False
    return bool(same and response_checker(list(results), list(expected), 0)["valid"])


def frozen(value: object) -> object:
    """The contents of a value as nested tuples; equal for values that behave alike.

    The time at which a file was written is left out. An object that is met again is a number, so
    that a tree may hold references to its parts.
    """
    return _frozen(value, {})


def _frozen(value: object, met: dict[int, int]) -> object:
    if isinstance(value, dict):
        return tuple((key, _frozen(entry, met)) for key, entry in value.items())
    if isinstance(value, (list, tuple)):
        return tuple(_frozen(entry, met) for entry in value)
    if isinstance(value, Random):
        return value.getstate()
    if not hasattr(value, "__dict__"):
        return value
    if id(value) in met:
        return met[id(value)]
    met[id(value)] = len(met)
    parts = {key: part for key, part in vars(value).items() if key != "_last_modified"}
    return type(value).__name__, _frozen(parts, met)


def _made(api: str, task: Task) -> Any:
    """An instance in its first state, which shares nothing with any other."""
    from bfcl_eval.constants.executable_backend_config import (
        CLASS_FILE_PATH_MAPPING,
        STATELESS_CLASSES,
    )

    instance = getattr(import_module(CLASS_FILE_PATH_MAPPING[api]), api)()
    if api in STATELESS_CLASSES:
        return instance
    instance._load_scenario(deepcopy(task.config.get(api, {})), long_context=task.long_context)
    # What is added for a long context is the module's own.
    return deepcopy(instance)


def _written(result: object) -> str:
    if isinstance(result, str):
        return result
    if isinstance(result, dict):
        try:
            return json.dumps(result)
        except (TypeError, ValueError):  # bfcl_eval does the same
            return str(result)
    return str(result)


def _check_size(name: str, value: object) -> None:
    if name in _BOUNDED and isinstance(value, (int, float)) and not abs(value) <= _MOST:
        raise ValueError(f"expected {name} from -{_MOST} to {_MOST}, got {value}")
