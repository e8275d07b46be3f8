"""Environments that others wrote: what goes wrong in them is told with their name and the step.

An exception of the environment stays what it is and gets a note, which the command line turns into its one sentence. An
environment that breaks the contract of `gymnasium.Env` is refused here, where its name is known, before vector
environments and networks stumble over what it returned.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.utils import RecordConstructorArgs

from lstm_rl.checks import one_line

STEP_FORM = "(observation, reward, terminated, truncated, info)"
RESET_FORM = "(observation, info)"
NUMBERS = "biuf"  # kinds of NumPy's types


class Place(str):
    """A note on an exception: the environment that raised it, and in which call."""


def place_of(error: BaseException) -> str | None:
    """Which environment raised the exception and where; ``None`` if none of `CheckedEnv` did."""
    return next((str(note) for note in getattr(error, "__notes__", ()) if isinstance(note, Place)), None)


def name_of(env: gym.Env[Any, Any]) -> str:
    """The environment's id, or its class if it was not made by Gymnasium."""
    return env.spec.id if env.spec is not None else type(env.unwrapped).__name__


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Note on exceptions of the block where they were raised, unless it is known already."""
    try:
        yield
    except Exception as error:
        if place_of(error) is None:
            error.add_note(Place(place))
        raise


class CheckedEnv(gym.Wrapper[Any, Any, Any, Any], RecordConstructorArgs):
    """Watches over an environment and changes nothing.

    Raises:
        ValueError: By `reset` and `step`, if what the environment returns is not of the form that Gymnasium asks for,
            the observation has not the shape that ``observation_space`` says, or numbers are not finite.
    """

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        RecordConstructorArgs.__init__(self)
        gym.Wrapper.__init__(self, env)
        self._step_of_episode = 0
        self._shape = self.observation_space.shape

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode."""
        self._step_of_episode = 0
        try:
            result: Any = self.env.reset(seed=seed, options=options)
        except Exception as error:
            self._explain(error, "reset", RESET_FORM)
            raise
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise self._broken("reset", RESET_FORM, result)
        self._check_observation("reset", result[0])
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Move by one step."""
        self._step_of_episode += 1
        try:
            result: Any = self.env.step(action)
        except Exception as error:
            self._explain(error, "step", STEP_FORM)
            raise
        if not (isinstance(result, tuple) and len(result) == 5 and isinstance(result[4], dict)):
            raise self._broken("step", STEP_FORM, result)
        self._check_observation("step", result[0])
        reward = result[1]
        if not isinstance(reward, (float, int, np.number, np.ndarray, np.bool_)):
            raise ValueError(f"{self._where('step')}: the reward must be a number, got {reward!r}")
        if not (math.isfinite(reward) if type(reward) is float else np.isfinite(reward).all()):
            raise ValueError(f"{self._where('step')}: the reward must be a finite number, got {reward}")
        return result

    def render(self) -> Any:
        """Draw the environment."""
        with placed(self._where("render")):
            return self.env.render()

    def _explain(self, error: Exception, method: str, form: str) -> None:
        """Note where an exception was raised; where a wrapper could not take apart what came, say that instead."""
        if isinstance(error, ValueError) and "values to unpack (expected 5" in str(error) and _in_wrapper(error):
            count = "too many" if "too many" in str(error) else str(error).split("got ")[-1].rstrip(")")
            raise ValueError(f"{self._where(method)}: it must return {form}, got {count} values") from error
        if place_of(error) is None:
            error.add_note(Place(self._where(method)))

    def _where(self, method: str) -> str:
        step = f", step {self._step_of_episode} of an episode" if method != "reset" else ""
        return f"{name_of(self)} failed in {method}{step}"

    def _broken(self, method: str, form: str, result: Any) -> ValueError:
        got = f"{len(result)} values" if isinstance(result, tuple) else type(result).__name__
        if isinstance(result, tuple) and len(result) in (2, 5):
            got = f"{type(result[-1]).__name__} for info"
        return ValueError(f"{self._where(method)}: it must return {form}, got {got}")

    def _check_observation(self, method: str, observation: Any) -> None:
        if type(observation) is np.ndarray and observation.shape == self._shape and observation.dtype.kind in NUMBERS:
            if observation.dtype.kind != "f" or math.isfinite(np.vdot(observation, observation)):
                return  # as nearly always
        if wrong := _misfit(self.observation_space, observation):
            raise ValueError(f"{self._where(method)}: {wrong}")


def _in_wrapper(error: BaseException) -> bool:
    """Whether code of Gymnasium's or stable-baselines3's raised it."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace is not None and _package(trace) in ("gymnasium", "stable_baselines3")


def _package(trace: TracebackType) -> str:
    return str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0]


def _misfit(space: gym.Space[Any], observation: Any, name: str = "the observation") -> str | None:
    """What is wrong with an observation's form, if anything; single numbers may have any shape of size 1."""
    if isinstance(space, gym.spaces.Dict):
        if not isinstance(observation, dict) or not set(space.spaces) <= set(observation):
            return f"{name} must be a dict with {', '.join(space.spaces)}, got {_form(observation)}"
        parts = ((part, observation[key], f"{name}[{key!r}]") for key, part in space.spaces.items())
        return next(filter(None, (_misfit(*part) for part in parts)), None)
    if isinstance(space, gym.spaces.Tuple):
        if not isinstance(observation, (tuple, list)) or len(observation) != len(space.spaces):
            return f"{name} must be a tuple of {len(space.spaces)}, got {_form(observation)}"
        pairs = enumerate(zip(space.spaces, observation, strict=True))
        return next(filter(None, (_misfit(part, of, f"{name}[{i}]") for i, (part, of) in pairs)), None)
    if space.shape is None:
        return None
    try:
        values = np.asarray(observation)
    except ValueError:  # rows of several lengths
        return f"{name} must be of shape {space.shape}, as {space}, got {_form(observation)}"
    if values.shape == space.shape or (values.size == 1 and np.prod(space.shape) == 1):
        if values.dtype.kind not in NUMBERS:
            return f"{name} must be numbers, as {space}, got {_form(observation)}"
        return None if np.isfinite(values).all() else f"{name} must be finite numbers, got {one_line(values)}"
    return f"{name} must be of shape {space.shape}, as observation_space says, got {values.shape}"


def _form(value: Any) -> str:
    if isinstance(value, dict):
        return f"a dict with {', '.join(map(str, value)) or 'nothing'}"
    return f"a {type(value).__name__}" + (f" of {len(value)}" if isinstance(value, (tuple, list)) else "")
