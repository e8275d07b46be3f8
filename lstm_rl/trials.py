"""Trials: greedy episodes that a learner plays while it learns, without learning from them.

Where surviving is success, one trial has several stages: first a few starts for a short time, then, if nothing falls,
more of them for longer and longer (`STAGES`), far beyond the episodes that are learned from. So a trial costs little as
long as the policy is bad, and a policy that is found good stays up.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.rollouts import play
from lstm_rl.atomic import atomic_write
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.rows import plain_world
from lstm_rl.evaluation import ROWS, play_stepwise
from lstm_rl.make import limited, make_env, make_rows

LIMIT = 100_000
"""Steps that count as for good: 2,000 s of the pole."""
STAGES = ((0.25, 2_000), (1.0, 10_000), (1.0, LIMIT))
"""Share of the episodes, and their steps at most."""
PATIENCE = 3  # horizons after which a trial gives up on a greedy policy that goes round in circles


@dataclass(frozen=True)
class Trial:
    """What the last stage gave, n episodes, and how many steps all stages took."""

    returns: NDArray[np.float64]  # (n,)
    lengths: NDArray[np.float64]  # (n,)
    successes: NDArray[np.float64]  # (n,) 0 or 1, or (0,) where the environment does not tell
    score: float
    """What the best policy has most of: return, or steps survived."""
    steps: int
    whole: bool = True
    """Whether no further stage is left."""
    needed: int = 2
    """Trials in a row without a failure with which a task counts as solved."""

    @property
    def success_rate(self) -> float | None:
        """Share of successes, if the environment tells."""
        return float(self.successes.mean()) if len(self.successes) else None

    def means(self) -> dict[str, float | None]:
        """Over the episodes, in the names of SB3's `EvalCallback`."""
        reward, length = float(self.returns.mean()), float(self.lengths.mean())
        return {"mean_reward": reward, "mean_ep_length": length, "success_rate": self.success_rate}

    @property
    def flawless(self) -> bool:
        """Whether all episodes of all stages were successes."""
        return self.whole and self.success_rate == 1.0


Player = Callable[[Any, int], Trial]
"""From a model and the steps that it has learned from, which seed the episodes, to a trial."""


def make_player(env_id: str, env_kwargs: dict[str, Any], episodes: int, compiled: bool = True) -> Player:
    """The way to try policies in an environment: our worlds in compiled code, all others step by step.

    ``compiled=False`` is for policies that compiled code does not know.
    """
    world = plain_world(make_env(env_id, env_kwargs))
    if not compiled:
        return _step_by_step(env_id, limited(env_id, env_kwargs), episodes)
    if world is None or world.continuous:
        return _step_by_step(env_id, limited(env_id, env_kwargs) if world is None else env_kwargs, episodes)
    if world.survival_is_success:
        return _in_stages(world, episodes)
    if world.horizon is not None:
        patience = min(PATIENCE * world.horizon, world.max_steps or sys.maxsize)
        world = replace(world, max_steps=patience)
    else:
        world = make_env(env_id, limited(env_id, env_kwargs)).unwrapped.world  # type: ignore[attr-defined]
    return lambda model, steps: _whole(*play(model.policy, world, episodes, steps)[:3])


def try_in_stages(model: Any, world: World, seed: int, episodes: int) -> Trial:
    """Play the stages of a world where surviving is success, up to the first in which something falls."""
    steps, last = 0, (*STAGES, *([(1.0, world.max_steps)] if (world.max_steps or 0) > LIMIT else []))
    for stage, (share, limit) in enumerate(last):
        played = play(model.policy, replace(world, max_steps=limit), max(1, int(share * episodes)), seed + stage)
        steps += int(played.lengths.sum())
        if not played.successes.all():
            break
    return Trial(*played[:3], float(played.lengths.mean()), steps, stage + 1 == len(last), needed=1)


def _in_stages(world: World, episodes: int) -> Player:
    return lambda model, steps: try_in_stages(model, world, steps, episodes)


def _whole(returns: Any, lengths: Any, successes: Any) -> Trial:
    returns, lengths, successes = (np.asarray(values, np.float64) for values in (returns, lengths, successes))
    return Trial(returns, lengths, successes, float(returns.mean()), int(lengths.sum()))


def _step_by_step(env_id: str, env_kwargs: dict[str, Any], episodes: int) -> Player:
    rows = make_rows(env_id, env_kwargs, min(ROWS, episodes))

    def player(model: Any, steps: int) -> Trial:
        rows.seed((1_000_003 + ROWS * steps) % 2**31)  # far from the seeds that are learned from
        return _whole(*play_stepwise(model, rows, episodes))

    return player


# --- evaluations.npz -------------------------------------------------------------------------------------------------

History = dict[str, list[Any]]
"""As SB3's `EvalCallback` names it: timesteps, results, ep_lengths, successes; rows of a short stage end in NaN."""


def add_to(history: History, steps: int, trial: Trial) -> None:
    """Append a trial."""
    values = {"timesteps": steps, "results": trial.returns, "ep_lengths": trial.lengths, "successes": trial.successes}
    for name, value in values.items():
        history.setdefault(name, []).append(value)


def write_history(path: Path, history: History) -> None:
    """Write all trials, as a whole or not at all."""
    columns: dict[str, NDArray[Any]] = {"timesteps": np.array(history["timesteps"])}
    for name in ("results", "ep_lengths", "successes"):
        rows = history[name]
        columns[name] = np.full((len(rows), max(map(len, rows))), np.nan)
        for row, values in zip(columns[name], rows, strict=True):
            row[: len(values)] = values
    if not columns["successes"].shape[1]:
        del columns["successes"]
    with atomic_write(path) as part, part.open("wb") as file:
        np.savez(file, **columns)  # type: ignore[arg-type]


def read_history(path: Path, length: int) -> History:
    """The first ``length`` trials of a file; fewer, or none, if it has lost them or is damaged."""
    try:
        with path.open("rb") as stream, np.load(stream) as file:
            history = {name: list(file[name][:length]) for name in ("timesteps", "results", "ep_lengths")}
            told = file["successes"] if "successes" in file else np.empty((len(history["timesteps"]), 0))
            return history | {"successes": list(told[:length])}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return {}
