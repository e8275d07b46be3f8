"""A world as a value: three compiled rules over a small state array, and what surrounds them.

The scalar environment (`env.py`), the vector environment (`vector.py`) and the learner's compiled training loop all
call the same three rules, so no rule is written twice and no face can drift from another:

    reset(params, noise, state)                       fills the state of a new episode
    step(params, noise, action, state) -> (r, outcome)   moves the state by one step
    observe(params, noise, state, observation)        fills what the agent sees of the state

    params       (P,)  float64  the world's constants
    noise        (Z,)  float64  fresh uniform numbers in [0, 1), one row per reset and per step
    state        (S,)  float64  everything that the future depends on
    observation  (I,)  float32
    action             int64    0 .. number of actions - 1; of a `continuous_step_rule` (A,) float64 within the space
    r                  float64  reward
    outcome            int64    CONTINUES, FAILED or SUCCEEDED (the last two end the episode)

Randomness is an argument: a rule never draws. Each reset and each step is handed one row of noise, which the faces
take from the environment's own generator in the same order, so that one seed means one episode in all of them. A rule
that wants a Gaussian turns uniforms into it. A user's own world is three such functions and one `World`; it then
trains inside the compiled loop as ours do. See ``docs/own-world.md``.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from types import ModuleType
from typing import Any

import gymnasium as gym
import numpy as np
from numba import types
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.compiled import by_class, compiled, kernel, rule_type

CONTINUES, FAILED, SUCCEEDED = 0, 1, 2
MAX_COUNT = 2**53  # steps, cells: a state is made of 64-bit floats, which hold every integer up to here
MAX_REWARD = 1e30  # size of a reward: learners keep rewards, and sums of them, as 32-bit floats

Marks = dict[str, NDArray[np.bool_]]

_numbers = types.float64[::1]
reset_rule, reset_at = rule_type(types.void(_numbers, _numbers, _numbers))
_outcome: Any = types.Tuple((types.float64, types.int64))  # type: ignore[no-untyped-call]
step_rule, step_at = rule_type(_outcome(_numbers, _numbers, types.int64, _numbers))
continuous_step_rule, continuous_step_at = rule_type(_outcome(_numbers, _numbers, _numbers, _numbers))
observe_rule, observe_at = rule_type(types.void(_numbers, _numbers, _numbers, types.float32[::1]))
RESET, STEP, OBSERVE = range(3)  # where the rules stand in `World.rules`


@dataclass(frozen=True, eq=False)
class World:
    """One environment's rules, constants and reference values; see the module for the rules' arguments.

    Raises:
        ValueError: The actions do not count from 0, or have no bounds.
    """

    reset: Any  # compiled with `reset_rule`
    step: Any  # compiled with `step_rule`, or with `continuous_step_rule` where actions are a Box
    observe: Any  # compiled with `observe_rule`
    params: NDArray[np.float64]  # (P,)
    state_names: tuple[str, ...]  # a name for each of the S numbers of the state
    noise_size: int  # Z, uniform numbers per reset and per step
    observation_space: gym.spaces.Box  # (I,), float32
    action_space: Any  # Discrete, or a Box (A,), float32, with bounds
    max_steps: int | None  # steps after which an episode is truncated; None: never
    survival_is_success: bool = False  # whether reaching `max_steps` counts as success
    horizon: int | None = None  # steps of an optimal episode, or the lag that memory has to bridge
    optimal_return: float | None = None  # expected undiscounted return of the best policy
    memoryless_return: float | None = None  # the same of the best policy that sees only the present observation
    reward_range: tuple[float, float] | None = None  # the least and the largest reward of a step
    renderer: str | None = None  # module with picture(world, state, observation, elapsed) and text(...)
    family: str | None = None  # of worlds that are learnt with the same settings: `lstm_rl.presets` goes by it
    task: tuple[str, ...] = ()
    """Names in the state that say which task this is: kept by ``reset(options={"same_task": True})``, so that a trial
    can have several episodes of one task; see `lstm_rl.envs.trial`."""
    marks: Callable[[NDArray[np.float64], NDArray[np.float64]], Marks] | None = None
    """From constants and the states of T steps (T, S) to steps worth a look in a picture, (T,) by name, "cue" say;
    the error of the last "junction" is the one that diagnoses follow."""

    def __post_init__(self) -> None:
        if isinstance(self.action_space, gym.spaces.Box):
            if len(self.action_space.shape) != 1 or not self.action_space.is_bounded():
                raise ValueError(f"action_space must have one dimension and finite bounds, got {self.action_space}")
        elif self.action_space.start != 0:
            raise ValueError(f"action_space must start at 0, got {self.action_space}")

    @property
    def continuous(self) -> bool:
        """Whether actions are vectors (A,) of a Box, not integers."""
        return isinstance(self.action_space, gym.spaces.Box)

    def limited(self, steps: int) -> "World":
        """The same world whose episodes are truncated after ``steps`` >= 1, or its own limit if that is lower."""
        steps = check_int("max_episode_steps", steps, 1, MAX_COUNT)
        return self if self.max_steps is not None and self.max_steps <= steps else replace(self, max_steps=steps)

    @cached_property
    def rules(self) -> NDArray[np.int64]:
        """Addresses of the three compiled rules, (3,): what compiled loops take; see `lstm_rl.compiled.rule_type`."""
        return np.array([self.reset.address, self.step.address, self.observe.address], np.int64)

    @cached_property
    def task_indices(self) -> list[int]:
        """Where the numbers of `task` stand in the state."""
        return [self.state_names.index(name) for name in self.task]

    def load_renderer(self) -> ModuleType:
        """The module that draws this world, imported only when somebody looks."""
        if self.renderer is None:
            raise ValueError("this world has no renderer: give its World the name of a module as `renderer`")
        return importlib.import_module(self.renderer)

    def __getstate__(self) -> dict[str, Any]:
        """Compiled rules travel by name."""
        rules = {name: getattr(self, name)._pyfunc for name in ("reset", "step", "observe")}
        values = {name: value for name, value in self.__dict__.items() if name not in ("rules", "task_indices")}
        return values | {name: (f.__module__, f.__qualname__) for name, f in rules.items()}

    def __setstate__(self, values: dict[str, Any]) -> None:
        """Find the rules again in their modules."""
        for name in ("reset", "step", "observe"):
            module, rule = values[name]
            values[name] = getattr(importlib.import_module(module), rule)
        self.__dict__.update(values)


def step_limit(max_steps: int | None) -> int | None:
    """Steps in [1, 2^53] after which an episode is truncated, or ``None``; ``ValueError`` for anything else."""
    return None if max_steps is None else check_int("max_steps", max_steps, 1, MAX_COUNT)


def make_world(name: str, arguments: dict[str, Any]) -> World:
    """Call the function "module:function" that returns a `World`."""
    module, _, function = name.partition(":")
    world: World = getattr(importlib.import_module(module), function)(**arguments)
    return world


@by_class
def take_step(action: Any, address: int, params: Any, noise: Any, state: Any) -> tuple[float, int]:
    """Call the step rule that stands at an address: the one for integers, or the one for vectors."""
    raise NotImplementedError  # for compiled code only


@take_step.register(object)
def _take_step(action: int, address: int, params: Any, noise: Any, state: Any) -> tuple[float, int]:
    step = step_at(address)
    reward, outcome = step(params, noise, action, state)
    return reward, outcome


@take_step.register(np.ndarray)
def _take_continuous_step(action: Any, address: int, params: Any, noise: Any, state: Any) -> tuple[float, int]:
    step = continuous_step_at(address)
    reward, outcome = step(params, noise, action, state)
    return reward, outcome


@kernel
def reset_row(rules: Any, params: Any, noise: Any, state: Any, elapsed: Any, i: int, observation: Any) -> None:
    """Start row ``i``'s next episode in place: state (n, S), elapsed (n,), observation (n, I); noise (Z,)."""
    reset, observe = reset_at(rules[RESET]), observe_at(rules[OBSERVE])
    elapsed[i] = 0
    reset(params, noise, state[i])
    observe(params, noise, state[i], observation[i])


@kernel
def step_row(
    rules: Any,
    params: Any,
    max_steps: int,
    noise: Any,
    action: Any,
    state: Any,
    elapsed: Any,
    i: int,
    observation: Any,
) -> tuple[float, int, bool]:
    """Move row ``i`` by one step in place; return (reward, outcome, truncated). ``max_steps`` 0 means no limit."""
    observe = observe_at(rules[OBSERVE])
    reward, outcome = take_step(action, rules[STEP], params, noise, state[i])
    observe(params, noise, state[i], observation[i])
    elapsed[i] += 1
    return reward, outcome, outcome == CONTINUES and max_steps > 0 and elapsed[i] >= max_steps


@compiled
def reset_one(rules: Any, params: Any, noise: Any, state: Any, elapsed: Any, observation: Any) -> None:
    """`reset_row` of row 0, for Python."""
    reset_row(rules, params, noise, state, elapsed, 0, observation)


@compiled
def observe_one(rules: Any, params: Any, noise: Any, state: Any, observation: Any) -> None:
    """Let row 0 be seen again, for Python."""
    observe = observe_at(rules[OBSERVE])
    observe(params, noise, state[0], observation[0])


@compiled
def step_one(
    rules: Any, params: Any, max_steps: int, noise: Any, action: Any, state: Any, elapsed: Any, observation: Any
) -> tuple[float, int, bool]:
    """`step_row` of row 0, for Python."""
    return step_row(rules, params, max_steps, noise, action, state, elapsed, 0, observation)


@compiled
def step_rows(
    rules: Any,
    params: Any,
    max_steps: int,
    tape: Any,  # (n, L, Z) noise
    position: Any,  # (n,) the tape row that each row takes next
    active: Any,  # (n,) bool, rows to move
    actions: Any,  # (n,) int64, or (n, A) float64
    state: Any,  # (n, S)
    elapsed: Any,  # (n,) int64
    observation: Any,  # (n, I) float32
    reward: Any,  # (n,) float64
    outcome: Any,  # (n,) int64
    truncated: Any,  # (n,) bool
) -> None:
    """Move all active rows by one step in place."""
    for i in range(state.shape[0]):
        if active[i]:
            noise = tape[i, position[i]]
            position[i] += 1
            reward[i], outcome[i], truncated[i] = step_row(
                rules, params, max_steps, noise, actions[i], state, elapsed, i, observation
            )


@compiled
def reset_rows(
    rules: Any,
    params: Any,
    tape: Any,
    position: Any,
    active: Any,
    state: Any,
    elapsed: Any,
    observation: Any,
) -> None:
    """Start a new episode in all active rows in place; arguments as in `step_rows`."""
    for i in range(state.shape[0]):
        if active[i]:
            reset_row(rules, params, tape[i, position[i]], state, elapsed, i, observation)
            position[i] += 1


def _go_to(generator: np.random.Generator, before: Any, draws: int) -> None:
    """Put a generator where ``draws`` uniform numbers after the state ``before`` would leave it."""
    generator.bit_generator.state = before
    if isinstance(generator.bit_generator, np.random.PCG64):  # Gymnasium's: it can jump
        generator.bit_generator.advance(draws)
        after: Any = generator.bit_generator.state
        after |= {name: before[name] for name in ("has_uint32", "uinteger")}  # `advance` drops half-used integers
        generator.bit_generator.state = after
    else:
        generator.random(draws)


class NoiseTape:
    """Uniform numbers drawn ahead from one generator per row, with the rest given back on request.

    Drawing row by row inside a compiled loop would cost more than the world itself; so a block is drawn at once, and
    `rewind` leaves every generator exactly where drawing one row at a time would have left it.
    """

    def __init__(self, generators: list[np.random.Generator], noise_size: int, block: int = 256) -> None:
        self.generators = generators
        self.noise_size = noise_size
        self.block = block  # rows drawn at a time, at least
        self.position = np.zeros(len(generators), np.int64)  # rows taken so far
        self.values = np.empty((len(generators), 0, noise_size))  # (n, L, Z)
        self._before: list[Any] = [None] * len(generators)  # generator states before the block was drawn

    def draw(self, length: int) -> None:
        """Make sure that every row has at least ``length`` rows of noise ahead of it."""
        if self.values.shape[1] - int(self.position.max()) >= length:
            return
        self.rewind()
        self._before = [generator.bit_generator.state for generator in self.generators]
        shape = max(length, self.block), self.noise_size
        self.values = np.stack([generator.random(shape) for generator in self.generators])

    def rewind(self) -> None:
        """Give the unused numbers back: every generator stands where its last used number left it."""
        for generator, before, used in zip(self.generators, self._before, self.position, strict=True):
            if before is not None:
                _go_to(generator, before, int(used) * self.noise_size)
        self._before = [None] * len(self.generators)
        self.values = self.values[:, :0]
        self.position[:] = 0
