"""Tools: results as bfcl_eval writes them, instances of their own, and nothing that runs away."""

from __future__ import annotations

import decimal
import time
from random import Random
from types import SimpleNamespace

import mpmath
import pytest

from envs.toolcalls.test_tasks import named
from londi.envs.toolcalls.calls import read_call
from londi.envs.toolcalls.tools import Toolbox, frozen, passed


def done(tools: Toolbox, text: str) -> str:
    call = read_call(text, tools.names)
    assert call is not None
    return tools.execute(call)


@pytest.fixture
def files() -> Toolbox:
    return Toolbox(named("multi_turn_base_0"))


@pytest.fixture
def numbers() -> Toolbox:
    task = next(
        task
        for number in range(200)
        if "MathAPI" in (task := named(f"multi_turn_base_{number}")).apis
    )
    return Toolbox(task)


def test_results_are_texts(files: Toolbox) -> None:
    assert done(files, "cd(folder='document')") == '{"current_working_directory": "document"}'
    assert done(files, "ls()") == (
        '{"current_directory_content": ["final_report.pdf", "previous_report.pdf"]}'
    )
    assert done(files, "mkdir('temp')") == "None"
    assert done(files, "cd(folder='nowhere')").startswith('{"error": "cd: \'nowhere\': ')


def test_a_call_that_fails_has_a_result_that_says_why(files: Toolbox) -> None:
    assert done(files, "fly()") == "Error during execution: name 'fly' is not defined"
    assert done(files, "mkdr(dir_name='a')").endswith("did you mean 'mkdir'?")
    assert done(files, "cd(path='a')").startswith("Error during execution: ")
    assert done(files, "cd(folder=3)").startswith("Error during execution: ")


@pytest.mark.parametrize("name", ["_load_scenario", "__init__", "__class__", "eval", "print"])
def test_only_public_methods_are_functions(name: str, files: Toolbox) -> None:
    assert name not in files.names
    assert "is not defined" in done(files, f"{name}({{}})")


def test_toolboxes_share_nothing() -> None:
    for name in ("multi_turn_base_0", "multi_turn_long_context_150", "multi_turn_long_context_60"):
        one, other = Toolbox(named(name)), Toolbox(named(name))
        before = other.state()
        assert one.state() == before
        for api in one.apis.values():
            for value in vars(api).values():
                if isinstance(value, dict):
                    _spoil(value)
        assert one.state() != before
        assert other.state() == before
        assert Toolbox(named(name)).state() == before


def _spoil(value: dict[object, object]) -> None:
    for inner in list(value.values()):
        if isinstance(inner, dict):
            _spoil(inner)
    value["spoilt"] = True


def test_random_results_are_those_of_the_task() -> None:
    task = named("multi_turn_base_60")
    one, other = Toolbox(task), Toolbox(task)
    drawn = [done(one, "get_current_speed()") for _ in range(3)]
    assert len(set(drawn)) == 3
    assert drawn == [done(other, "get_current_speed()") for _ in range(3)]


def test_numbers_that_would_take_for_ever_are_refused(numbers: Toolbox) -> None:
    began = time.process_time()
    for text in (
        "power(base=10, exponent=1000000000)",
        "power(10, -1e300)",
        "logarithm(value=2, base=10, precision=1000000000)",
        "square_root(2, 100000000)",
        "round_number(number=3, decimal_places=-1000000000)",
    ):
        assert "expected " in (result := done(numbers, text)) and "from -1000 to 1000" in result
    assert done(numbers, "power(base=2, exponent=10)") == '{"result": 1024}'
    assert len(done(numbers, f"power(base={10**40}, exponent=1000)")) < 100_000
    assert time.process_time() - began < 10


def test_the_precision_of_the_process_stays(numbers: Toolbox) -> None:
    before = mpmath.mp.dps, decimal.getcontext().prec
    assert "1.732" in done(numbers, "square_root(number=3, precision=50)")
    assert "result" in done(numbers, "logarithm(value=3, base=10, precision=50)")
    assert (mpmath.mp.dps, decimal.getcontext().prec) == before


def test_arguments_are_compared_by_name(files: Toolbox) -> None:
    def arguments(text: str) -> object:
        call = read_call(text, files.names)
        assert call is not None
        return files.arguments(call)

    assert arguments("sort('a')") == arguments("sort(file_name='a')")
    assert arguments("ls()") == arguments("ls(a=False)") != arguments("ls(True)")


def test_a_turn_passes_as_bfcl_eval_demands() -> None:
    task = named("multi_turn_base_0")
    own, reference = Toolbox(task), Toolbox(task)
    first, second = task.solution[:2]
    expected = [done(reference, text) for text in first]
    assert not passed(own, reference, 0, [], expected), "nothing was called"
    results = [done(own, text) for text in first[:2]]
    assert not passed(own, reference, 2, results, expected), "a call is missing"
    results.append(done(own, first[2]))
    assert passed(own, reference, 3, results, expected)
    expected = [done(reference, text) for text in second]
    done(own, "cd(folder='temp')")
    assert not passed(own, reference, 1, results, expected), "the state is right, a result missing"
    results.append(done(own, second[1]))
    results.append('{"current_working_directory": "temp"}')
    assert passed(own, reference, 2, results, expected)
    assert not passed(own, reference, 0, results, expected), "all is there, and nothing was called"
    assert passed(own, Toolbox(task), 5, [], []), "nothing is asked for"


def test_a_directory_in_itself_passes_no_turn(files: Toolbox) -> None:
    reference = Toolbox(named("multi_turn_base_0"))
    for tools in (files, reference):
        root = tools.apis["GorillaFileSystem"].root
        root.contents["self"] = root
    assert not passed(files, reference, 1, ["a"], ["a"])


def test_contents_are_equal_where_nothing_tells_them_apart() -> None:
    def tree(time: int, name: str = "a") -> SimpleNamespace:
        root = SimpleNamespace(name="root", parent=None, contents={})
        leaf = SimpleNamespace(name=name, parent=root, _last_modified=time)
        root.contents["leaf"] = leaf
        return SimpleNamespace(root=root, here=leaf, drawn=Random(3))

    assert frozen(tree(1)) == frozen(tree(2))
    assert frozen(tree(1)) != frozen(tree(1, "b"))
    elsewhere = tree(1)
    elsewhere.here = elsewhere.root
    assert frozen(tree(1)) != frozen(elsewhere), "another current place"
    drawn = tree(1)
    drawn.drawn.random()
    assert frozen(tree(1)) != frozen(drawn), "other random results to come"
    assert frozen({"a": 1, "b": 2}) != frozen({"b": 2, "a": 1}), "the order is shown"
