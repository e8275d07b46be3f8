"""The rows of worlds inside an SB3 `VecEnv`, as arrays that a compiled training loop can work on.

A loop in compiled code has to find the world's arrays under SB3's wrappers and leave everything as if it had called
``step`` each time: the environments, their generators, and the records of `Monitor` or `VecMonitor`.
"""

import time
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecMonitor

from lstm_rl.checks import one_line
from lstm_rl.envs.checked import name_of
from lstm_rl.envs.dynamics import NoiseTape, World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.sb3 import GymnasiumVecEnv
from lstm_rl.envs.sb3 import plain_world as plain_world
from lstm_rl.envs.vector import WorldVectorEnv

RECORDED = {"is_success"}  # info keywords that the rows can record


class Rows:
    """n rows of one world: state (n, S), elapsed (n,), observation (n, I) float32 and a noise tape."""

    def __init__(self, world: World, envs: list[WorldEnv] | WorldVectorEnv, monitors: list[Any]) -> None:
        self.world = world
        self.envs = envs
        self.monitors = monitors  # one Monitor per row, or one VecMonitor, or none
        self._recorded = [(-1, 0.0)] * len(envs if isinstance(envs, list) else ())  # length and return, as last told
        if isinstance(envs, WorldVectorEnv):
            self.state, self.elapsed, self.observation = envs.state, envs.elapsed, envs.observation
            self.tape = NoiseTape(envs.generators, world.noise_size)
        else:
            n = len(envs)
            self.state = np.zeros((n, len(world.state_names)))
            self.elapsed = np.zeros(n, np.int64)
            self.observation = np.zeros((n, *world.observation_space.shape), np.float32)
            self.tape = NoiseTape([env.np_random for env in envs], world.noise_size)

    def gather(self) -> None:
        """Take the rows from their environments."""
        if isinstance(self.envs, WorldVectorEnv):
            self.envs.tape.rewind()
            self.tape.generators = self.envs.generators
            return
        self.tape.generators = [env.np_random for env in self.envs]
        for i, env in enumerate(self.envs):
            values = env.get_state()
            for name in ("state", "elapsed", "observation"):
                getattr(self, name)[i] = values[name][0]

    def scatter(self) -> None:
        """Give the rows back to their environments, generators included."""
        self.tape.rewind()
        if isinstance(self.envs, list):
            for i, env in enumerate(self.envs):
                rows = {name: getattr(self, name)[i : i + 1] for name in ("state", "elapsed", "observation")}
                env.set_state(rows | {"generator": env.np_random.bit_generator.state})

    def record(
        self, finished: list[tuple[int, float, int, bool]], running: NDArray[np.float64]
    ) -> list[dict[str, Any]]:
        """Tell the monitors of finished episodes (row, return, length, success); return SB3's info for each.

        ``running`` (n, 2) is return and length so far of the episodes that go on.
        """
        infos = []
        for row, total, length, success in finished:
            info: dict[str, Any] = {"is_success": success}
            if self.monitors:
                monitor = self.monitors[row if len(self.monitors) > 1 else 0]
                now = round(time.time() - monitor.t_start, 6)
                episode = {"r": round(total, 6), "l": length, "t": now}
                episode |= {key: info[key] for key in monitor.info_keywords}
                info["episode"] = episode
                if monitor.results_writer is not None:
                    monitor.results_writer.write_row(episode)
                if isinstance(monitor, Monitor):
                    monitor.episode_returns.append(total)
                    monitor.episode_lengths.append(length)
                    monitor.episode_times.append(now)
                else:
                    monitor.episode_count += 1
            infos.append(info)
        for row, monitor in enumerate(self.monitors):
            if isinstance(monitor, Monitor):
                total, length = float(running[row, 0]), int(running[row, 1])
                ended = [episode[2] for episode in finished if episode[0] == row]
                monitor.total_steps += sum(ended) + length - len(monitor.rewards)  # were running before, and counted
                before, told = self._recorded[row]
                if ended:
                    monitor.rewards, told = [], 0.0
                elif len(monitor.rewards) != before:  # the first chunk of a call
                    told = sum(monitor.rewards)
                if new := length - len(monitor.rewards):  # only these are added: an episode may last for millions
                    monitor.rewards += [total - told] + [0.0] * (new - 1)
                self._recorded[row] = length, total
            else:
                monitor.episode_returns = running[:, 0].astype(np.float32)
                monitor.episode_lengths = running[:, 1].astype(np.int32)
        return infos


def name_of_row(env: Any, i: int) -> str:
    """The id of row i's environment, or its class if it has none, of a `VecEnv`, of `Rows` or of a `World`."""
    inner = getattr(env, "unwrapped", env)
    base: Any = env.envs if isinstance(env, Rows) else getattr(inner, "unwrapped_env", inner)
    rows = base if isinstance(base, list) else getattr(base, "envs", None)
    if isinstance(rows, list) and not isinstance(base, WorldVectorEnv):
        return name_of(rows[i])
    spec = getattr(base, "spec", None)
    if spec is None and isinstance(base, VecEnv) and base.has_attr("spec"):  # rows in other processes
        spec = base.get_attr("spec", i)[0]
    return str(spec.id) if spec is not None else type(base).__name__


def check_rows(env: Any, call: str, name: str, rows: Any, timesteps: int) -> None:
    """Refuse numbers of rows that are not finite, which `CheckedEnv` has not seen: of worlds, and a user's `VecEnv`.

    Args:
        env: The rows, `VecEnv` or `Rows`, or their `World`.
        call: "reset" or "step", which returned the numbers.
        name: What they are.
        rows: (n, ...)
        timesteps: Of all rows so far.

    Raises:
        ValueError: A number is NaN or infinite; the message names the environment, the row and the step.
    """
    for i, values in enumerate(() if np.isfinite(rows).all() else rows):
        if not np.isfinite(values).all():
            said = f"the {name} must be finite numbers, got {one_line(values)}"
            raise ValueError(f"{name_of_row(env, i)} failed in {call}: {said} in row {i} at time step {timesteps}")


def check_transition(env: Any, transition: Any, timesteps: int) -> None:
    """Refuse a step of rows with numbers that are not finite; see `check_rows`.

    Args:
        env: The rows, `VecEnv` or `Rows`, or their `World`.
        transition: Has ``reward`` (n,), ``observation`` (n, I) of the step, and ``first`` (n, I) of new episodes.
        timesteps: Of all rows, this step included.

    Raises:
        ValueError: A number is NaN or infinite; the message names the environment, the row and the step.
    """
    check_rows(env, "step", "reward", transition.reward, timesteps)
    check_rows(env, "step", "observation", transition.observation, timesteps)
    check_rows(env, "reset", "observation", transition.first, timesteps)


def find_rows(env: VecEnv) -> Rows | None:
    """The rows inside ``env``, or ``None`` if it holds anything but worlds under SB3's and Gymnasium's plain wrappers.

    Plain are Monitor, VecMonitor, OrderEnforcing and PassiveEnvChecker themselves; a class made of one of them may do
    something else, as any other wrapper may.
    """
    monitors: list[Any] = []
    if type(env) is VecMonitor:
        monitors, env = [env], env.venv
    if type(env) is GymnasiumVecEnv and type(env.env) is WorldVectorEnv:
        recorded = all(set(monitor.info_keywords) <= RECORDED for monitor in monitors)
        return Rows(env.env.world, env.env, monitors) if recorded else None
    if type(env) is not DummyVecEnv:
        return None
    worlds = [plain_world(row) for row in env.envs]
    first = worlds[0]
    if first is None or not all(world is not None and _alike(world, first) for world in worlds):
        return None
    of_rows = [_monitors(row) for row in env.envs]
    counts = {len(monitors) + len(own) for own in of_rows}
    monitors += [monitor for own in of_rows for monitor in own]
    recorded = all(set(monitor.info_keywords) <= RECORDED for monitor in monitors)
    if not recorded or counts not in ({0}, {1}):  # only some rows are recorded, or one twice
        return None
    return Rows(first, [row.unwrapped for row in env.envs], monitors)  # type: ignore[misc]


def _monitors(env: gym.Env[Any, Any]) -> list[Monitor]:
    inside = _monitors(env.env) if isinstance(env, gym.Wrapper) else []
    return [env, *inside] if isinstance(env, Monitor) else inside


def _alike(a: World, b: World) -> bool:
    names = ("reset", "step", "observe", "max_steps", "noise_size", "survival_is_success")
    return all(getattr(a, name) == getattr(b, name) for name in names) and np.array_equal(a.params, b.params)
