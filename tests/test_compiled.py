"""Machine code on disk: kept and shared, and compiled anew when anything that it depends on has changed.

Functions live in modules that are written here, so that they can be edited: a second version of a module under the same
name is what the next process would import.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from lstm_rl import machine_code
from lstm_rl.compiled import compiled, kernel
from lstm_rl.envs.dynamics import step_at, step_rule
from lstm_rl.machine_code import cache_folder, remove_unused, say

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder for machine code."""
    caches = (cache_folder, remove_unused, say)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    for each in caches:
        each.cache_clear()
    yield cache_folder()
    for each in caches:
        each.cache_clear()


def module(monkeypatch: pytest.MonkeyPatch, name: str, source: str) -> Any:
    made = ModuleType(name)
    monkeypatch.setitem(sys.modules, name, made)
    exec(source, made.__dict__)
    return made


CONSTANTS = "SIZE = 3.0"
PARTS = """
from typing import Any, NamedTuple
from lstm_rl.compiled import by_class, kernel
import package

class Pair(NamedTuple):
    a: float
    b: float

@kernel
def scaled(x):
    return package.constants.SIZE * x

@by_class
def chosen(pair: Any, x: float) -> float:
    raise TypeError

@chosen.register(Pair)
def _chosen(pair, x):
    return 10.0 * pair.a + x

def unrelated(x):
    return x
"""
WHOLE = """
from lstm_rl.compiled import compiled
from parts import chosen, scaled
HUNDRED = 100.0

@compiled
def whole(pair, x, offset=1000.0):
    def inner(y):
        return y + 0.5
    return HUNDRED * scaled(x) + chosen(pair, x) + offset + inner(x)
"""
VALUE = 1000.0 + 300.0 + 10.0 * 2.0 + 1.0 + 1.5


def value(monkeypatch: pytest.MonkeyPatch, constants: str, parts: str, whole: str) -> tuple[float, int]:
    """What the function returns, and how many functions had to be compiled."""
    module(monkeypatch, "package", "").constants = module(monkeypatch, "package.constants", constants)
    pair = module(monkeypatch, "parts", parts).Pair(a=2.0, b=7.0)
    function = module(monkeypatch, "whole", whole).whole
    result = function(pair, 1.0)
    return result, sum(function.stats.cache_misses.values())


def test_the_next_process_loads_what_was_compiled(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 1)
    assert [path.name.partition("-")[0] for path in folder.glob("*.nbc")] == ["whole.whole"]
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 0)


@pytest.mark.parametrize(
    ("before", "after", "change"),
    [
        ("HUNDRED = 100.0", "HUNDRED = 200.0", 300.0),
        ("y + 0.5", "y + 0.75", 0.25),
        ("offset=1000.0", "offset=2000.0", 1000.0),
        ("SIZE = 3.0", "SIZE = 4.0", 100.0),
        ("SIZE * x", "SIZE * x + 1.0", 100.0),
        ("10.0 * pair.a", "20.0 * pair.a", 20.0),
        ("a: float\n    b: float", "b: float\n    a: float", 0.0),
    ],
    ids=[
        "global",
        "inner function",
        "default",
        "constant elsewhere",
        "kernel elsewhere",
        "by class",
        "order of fields",
    ],
)
def test_an_edit_of_what_a_function_depends_on_counts(
    monkeypatch: pytest.MonkeyPatch, before: str, after: str, change: float
) -> None:
    value(monkeypatch, CONSTANTS, PARTS, WHOLE)
    edited = [source.replace(before, after) for source in (CONSTANTS, PARTS, WHOLE)]
    assert edited != [CONSTANTS, PARTS, WHOLE]
    assert value(monkeypatch, edited[0], edited[1], edited[2]) == (VALUE + change, 1)


@pytest.mark.parametrize("source", ["# a comment\n", "def one_more(): return 1\n"])
def test_an_edit_of_anything_else_does_not(monkeypatch: pytest.MonkeyPatch, source: str) -> None:
    value(monkeypatch, CONSTANTS, PARTS, WHOLE)
    parts = source + PARTS.replace("return x\n", "return 2.0 * x\n")
    assert parts != source + PARTS
    assert value(monkeypatch, source + CONSTANTS, parts, source + WHOLE) == (VALUE, 0)


RULE = """
from lstm_rl.compiled import kernel
from lstm_rl.envs.dynamics import step_rule

@kernel
def reward(action):
    return 2.0 * action

@step_rule
def step(params, noise, action, state):
    return reward(action), 0
"""


def test_an_edit_of_what_the_rules_of_an_own_world_call_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    @compiled
    def reward(address: int, numbers: Any) -> float:
        first: float = step_at(address)(numbers, numbers, 3, numbers)[0]
        return first

    rewards = []
    for source in (RULE, RULE, RULE.replace("2.0 *", "5.0 *")):
        rule = module(monkeypatch, "world", source).step
        rewards.append((reward(rule.address, np.zeros(1)), rule.cache_hits))
    assert rewards == [(6.0, 0), (6.0, 1), (15.0, 0)]


@pytest.mark.parametrize("damage", [lambda data: b"", lambda data: data[:500], lambda data: data[:-9] + bytes(9)])
def test_a_damaged_file_is_compiled_again(monkeypatch: pytest.MonkeyPatch, folder: Path, damage: Any) -> None:
    value(monkeypatch, CONSTANTS, PARTS, WHOLE)
    (path,) = folder.glob("*.nbc")
    whole = path.read_bytes()
    path.write_bytes(damage(whole))
    assert path.read_bytes() != whole
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 1)
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 0)


def test_without_a_usable_folder_a_temporary_one_serves(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "file"))
    cache_folder.cache_clear()
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 1)
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 0)
    said = capfd.readouterr().err
    assert said.count("no folder to keep machine code in") == 1 and str(tmp_path / "file") in said
    assert cache_folder().name.startswith("lstm_rl_") and not cache_folder().is_relative_to(tmp_path)


def test_without_a_home_a_temporary_folder_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    monkeypatch.delenv("NUMBA_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    cache_folder.cache_clear()
    assert cache_folder().name.startswith("lstm_rl_")


def test_machine_code_that_cannot_be_kept_still_runs(
    monkeypatch: pytest.MonkeyPatch, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    folder.rmdir()
    folder.parent.rmdir()
    folder.parent.write_text("in the way")
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 1)
    assert "machine code cannot be kept" in capfd.readouterr().err


CHILD = """
import sys
from lstm_rl.compiled import compiled

@compiled
def doubled(x):
    return 2.0 * x

print("starting", file=sys.stderr, flush=True)
print(doubled(1.5), *doubled.stats.cache_misses.values(), flush=True)
"""


def start(code: str) -> Any:
    pipe = subprocess.PIPE
    return subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=pipe, stderr=pipe, text=True)


def test_processes_that_start_together_compile_once(folder: Path) -> None:

    first = start(CHILD).communicate(timeout=100)[0].split()
    (path,) = folder.glob("*.nbc")
    path.unlink()
    lock = machine_code._lock(path.with_suffix(".lock"))  # so that the others meet
    assert first == ["3.0", "1"] and lock is not None
    children = [start(CHILD) for _ in range(2)]
    waiting = [[child.stderr.readline(), child.stderr.readline()] for child in children]
    assert waiting == [["starting\n", "lstm_rl: waiting for another process to compile\n"]] * 2
    lock.close()
    results = [child.communicate(timeout=100) for child in children]
    assert sorted(out.split()[0] for out, _ in results) == ["3.0", "3.0"]
    assert sum(int(compiled) for out, _ in results for compiled in out.split()[1:]) == 1
    assert not any(error for _, error in results)


HOLDER = """
import time
from pathlib import Path
from lstm_rl.machine_code import _lock

lock = _lock(Path({path!r}))
print("locked", flush=True)
time.sleep(100)
"""


def test_nobody_waits_for_a_process_that_was_killed(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    value(monkeypatch, CONSTANTS, PARTS, WHOLE)
    (path,) = folder.glob("*.nbc")
    path.unlink()
    child = start(HOLDER.format(path=str(path.with_suffix(".lock"))))
    assert child.stdout.readline() == "locked\n"
    child.kill()
    child.communicate()
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 1)


def test_patience_ends(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    value(monkeypatch, CONSTANTS, PARTS, WHOLE)
    (path,) = folder.glob("*.nbc")
    path.unlink()
    lock = machine_code._lock(path.with_suffix(".lock"))
    monkeypatch.setattr(machine_code, "PATIENCE", 0.1)
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 1)
    assert lock is not None
    lock.close()


BROKEN = """
from lstm_rl.compiled import compiled

@compiled
def broken(x):
    return x.missing
"""


def test_a_function_that_does_not_compile_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    with pytest.raises(TypingError):
        module(monkeypatch, "whole", BROKEN).broken(1.0)
    (path,) = folder.glob("*.lock")
    lock = machine_code._lock(path)
    assert lock is not None
    lock.close()


def test_files_that_nobody_uses_go(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    value(monkeypatch, CONSTANTS, PARTS, WHOLE)
    (used,) = folder.glob("*.nbc")
    old = time.time() - 31 * 86400
    (folder / "0123456789abcdef").mkdir()
    unused = [folder / "older.nbc", folder / "0123456789abcdef" / "oldest.nbi"]
    for path in unused:
        path.write_text("")
    for path in (used, *unused):
        os.utime(path, (old, old))
    assert value(monkeypatch, CONSTANTS, PARTS, WHOLE) == (VALUE, 0)  # which uses it
    remove_unused.cache_clear()
    value(monkeypatch, CONSTANTS, PARTS, WHOLE.replace("0.5", "0.25"))
    assert used.exists() and not any(path.exists() for path in unused) and not unused[1].parent.exists()


def test_a_literal_and_a_variable_are_the_same_type_to_a_kernel() -> None:
    @kernel
    def plus_one(i: int) -> int:
        return i + 1

    @compiled
    def total(n: int) -> int:
        return plus_one(0) + plus_one(n)

    assert total(5) == 7
    assert len(plus_one.signatures) == 1  # type: ignore[attr-defined]


def test_a_part_runs_in_python_where_python_calls_it() -> None:
    """Directly, or inside a rule; there is no machine code of it that could be called."""

    @kernel
    def twice(x: float) -> float:
        return 2.0 * x

    @step_rule
    def step(params: Any, noise: Any, action: int, state: Any) -> tuple[float, int]:
        return twice(params[0]), action

    @compiled
    def whole(x: float) -> float:
        return twice(x)

    assert twice(3) == whole(3.0) == 6.0
    assert step(np.ones(1), np.ones(1), 5, np.ones(1)) == (2.0, 5)


def test_a_rule_of_no_module_is_compiled_again(folder: Path) -> None:
    """What `exec` made has no module that another process could load its machine code into."""
    rule = "def emptied(params, noise, state):\n    state[0] = 0.0\n"
    source = f"from lstm_rl.envs.dynamics import reset_rule\n@reset_rule\n{rule}"
    code = f"exec(compile({source!r}, 'nowhere.py', 'exec'), {{'__name__': 'nowhere'}})"
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
        assert done.returncode == 0, done.stderr
    assert list(folder.glob("*emptied*.nbc"))
