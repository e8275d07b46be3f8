"""Gymnasium's `VectorEnv` as a stable-baselines3 `VecEnv`.

SB3 refuses a Gymnasium vector environment; its own are Python loops over scalar ones. This adapter makes one VecEnv of
n rows out of one VectorEnv of n rows, ours or anybody's. Wrap it in SB3's `VecMonitor` to record episodes.
"""

import re
import warnings
from collections.abc import Sequence
from functools import cache
from typing import Any, TypeGuard

import gymnasium as gym
import numpy as np
from gymnasium import wrappers
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from gymnasium.wrappers import FilterObservation, OrderEnforcing, PassiveEnvChecker
from numpy.typing import NDArray
from stable_baselines3.common.env_util import is_wrapped
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn

from lstm_rl.envs.checked import CheckedEnv
from lstm_rl.envs.dynamics import World
from lstm_rl.envs.env import WorldEnv
from lstm_rl.envs.vector import WorldVectorEnv

TIME_LIMIT = next(kind for kind in wrappers.TimeLimit.__mro__ if kind.__name__ == "TimeLimit")
"""Gymnasium's own, in whose place rl_zoo3 puts a class of its own once it is imported."""


def is_time_limit(env: object) -> "TypeGuard[wrappers.TimeLimit[Any, Any]]":
    """Whether an environment is a TimeLimit itself, Gymnasium's or rl_zoo3's, whichever was imported first."""
    return type(env) in (TIME_LIMIT, wrappers.TimeLimit)


def plain_world(env: gym.Env[Any, Any]) -> World | None:
    """The world that an environment is, or ``None``: under any wrapper but the plain ones a step may mean more."""
    while type(env) in (OrderEnforcing, PassiveEnvChecker, Monitor):
        env = env.env  # type: ignore[attr-defined]
    return env.world if type(env) is WorldEnv and env.render_mode != "human" else None


def is_text(space: gym.Space[Any]) -> bool:
    """Whether a space holds words, as `gymnasium.spaces.Text` and MiniGrid's missions do."""
    return space.dtype is not None and space.dtype.kind == "U"


def fit_for_sb3(env: gym.Env[Any, Any]) -> gym.Env[Any, Any]:
    """The environment with observations that SB3's vector environments take: entries of a Dict that are words go.

    It warns of what is left out, once. Environments other than worlds are watched over by `lstm_rl.envs.checked`.

    Raises:
        ValueError: They take it neither way; the message names the wrapper to use.
    """
    space = env.observation_space
    if isinstance(space, gym.spaces.Dict):
        words = [key for key, part in space.spaces.items() if is_text(part)]
        if words and len(words) < len(space.spaces):
            _say_once(f"words are left out of observations: {', '.join(words)}")
            return fit_for_sb3(FilterObservation(env, [key for key in space.spaces if key not in words]))
    parts: Any = [space]
    if isinstance(space, (gym.spaces.Dict, gym.spaces.Tuple)):
        parts = space.spaces.values() if isinstance(space, gym.spaces.Dict) else space.spaces
    if any(part.shape is None for part in parts):
        wrapper = "FlattenObservation" if space.is_np_flattenable else "TransformObservation"
        raise ValueError(
            f"observation_space must consist of arrays and numbers, in one Dict or Tuple at most, got {space}: wrap "
            f"the environment in gymnasium.wrappers.{wrapper}"
        )
    return env if isinstance(env, CheckedEnv) or plain_world(env) is not None else CheckedEnv(env)


@cache
def _say_once(sentence: str) -> None:
    warnings.warn(sentence, stacklevel=3)


class GymnasiumVecEnv(VecEnv):
    """Present a `VectorEnv` to stable-baselines3: one of ours in any autoreset mode, others in same-step mode.

    SB3 resets in the step that ends an episode. A `WorldVectorEnv` of another mode is left alone, and its rows go on in
    a copy that does so; row for row their episodes are those of the scalar environments.

    All that SB3 says of its own vector environments holds for this one, row by row. ``infos[i]`` holds row i's entries
    of Gymnasium's info arrays and ``TimeLimit.truncated``. Where an episode ended it is that episode's last info, with
    its last observation as ``terminal_observation``; the next one's first info, whatever `reset` reports as well, is in
    ``reset_infos``. Attributes and methods are those of each row's environment, as far as it has them, else of the
    vector environment and its wrappers.

    Raises:
        ValueError: The environment, or one under wrappers, does not reset in the same step.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        if type(env) is WorldVectorEnv:
            env = env.with_autoreset(AutoresetMode.SAME_STEP)
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            how = "autoreset_mode=AutoresetMode.SAME_STEP"
            if not isinstance(env.unwrapped, WorldVectorEnv):
                how = 'vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}'
            raise ValueError(
                f"env must be a VectorEnv with autoreset_mode SAME_STEP (gymnasium.make_vec(id, n, {how}), where "
                f"AutoresetMode is gymnasium.vector's), got {mode!r}"
            )
        self.env = env
        self._actions: NDArray[Any] = np.empty(0)
        self._reset_keys: set[str] = set()  # of infos that come from a reset
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = dict(env.metadata)

    @property
    def unwrapped_env(self) -> VectorEnv[Any, Any, Any]:
        """The vector environment under all of Gymnasium's wrappers."""
        return self.env.unwrapped

    def reset(self) -> VecEnvObs:
        """Reset all rows; seeds given to `seed` and options given to `set_options` act here.

        Raises:
            ValueError: The options are not the same for all rows: Gymnasium has one dict for all.
        """
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        options = self._options[0]
        if any(other != options for other in self._options):
            raise ValueError(f"options must be the same for all rows of a VectorEnv, got {self._options}")
        observation, infos = self.env.reset(seed=seeds, options=dict(options) or None)  # type: ignore[arg-type]
        self.reset_infos = _rows(infos, self.num_envs)
        self._reset_keys = {key for row in self.reset_infos for key in row}
        self._reset_seeds()
        self._reset_options()
        result: VecEnvObs = observation
        return result

    def step_async(self, actions: NDArray[Any]) -> None:
        """Keep the actions for `step_wait`."""
        self._actions = actions

    def step_wait(self) -> VecEnvStepReturn:
        """Step all rows."""
        observation, rewards, terminated, truncated, infos = self.env.step(self._actions)
        rows = _rows(infos, self.num_envs)
        dones = terminated | truncated
        for i in np.flatnonzero(dones):
            # The environment's own info is the next episode's; what wrappers add tells of the episode that ended
            info, own = rows[i], self._reset_keys
            rows[i] = info.pop("final_info", {}) | {"terminal_observation": info.pop("final_obs")}
            rows[i] |= {key: value for key, value in info.items() if key not in own}
            self.reset_infos[i] = {key: value for key, value in info.items() if key in own}
        for row, cut in zip(rows, truncated & ~terminated, strict=True):
            row["TimeLimit.truncated"] = bool(cut)
        return observation, rewards.astype(np.float32), dones, rows

    def close(self) -> None:
        """Close the vector environment."""
        self.env.close()

    def get_images(self) -> Sequence[NDArray[np.uint8] | None]:
        """One picture per row, for videos."""
        return list(self.env.render() or [None] * self.num_envs)  # type: ignore[arg-type]

    def get_attr(self, attr_name: str, indices: VecEnvIndices = None) -> list[Any]:
        """An attribute of each row asked for."""
        chosen, scalars = self._chosen(indices), self._scalars
        if attr_name in ("observation_space", "action_space"):  # as wrappers of the vector environment show them
            return [getattr(self, attr_name) for _ in chosen]
        if not self._rows_have(attr_name):
            return [getattr(self._owner(attr_name), attr_name) for _ in chosen]
        if scalars is None:
            values = self.env.unwrapped.get_attr(attr_name)  # type: ignore[attr-defined]
            return [values[i] for i in chosen]
        return [scalars[i].get_wrapper_attr(attr_name) for i in chosen]

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute in each row asked for.

        Raises:
            ValueError: All rows have one such attribute together, and not all of them were asked for.
        """
        chosen, scalars, owner = self._chosen(indices), self._scalars, self._owner(attr_name)
        if hasattr(owner, attr_name) and not self._rows_have(attr_name):
            if len({*chosen}) < self.num_envs:
                raise ValueError(f"indices must name all rows, which have one {attr_name} together, got {indices}")
            setattr(owner, attr_name, value)
        elif scalars is not None:
            for i in chosen:
                scalars[i].set_wrapper_attr(attr_name, value)
        else:
            several: Any = self.env.unwrapped
            values = [value] * self.num_envs if len({*chosen}) == self.num_envs else [*several.get_attr(attr_name)]
            for i in chosen:
                values[i] = value
            several.set_attr(attr_name, values)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of each row asked for.

        Raises:
            ValueError: The rows live in other processes, and not all of them were asked for.
        """
        chosen, scalars = self._chosen(indices), self._scalars
        if not self._rows_have(method_name):
            result = getattr(self._owner(method_name), method_name)(*method_args, **method_kwargs)
            return [result for _ in chosen]
        if scalars is not None:
            methods = [scalars[i].get_wrapper_attr(method_name) for i in chosen]
            return [method(*method_args, **method_kwargs) for method in methods]
        if len({*chosen}) < self.num_envs:
            raise ValueError(
                f"indices must name all rows: {type(self.env.unwrapped).__name__} calls {method_name} in all of them, "
                f"got {indices}"
            )
        results = self.env.unwrapped.call(method_name, *method_args, **method_kwargs)  # type: ignore[attr-defined]
        return [results[i] for i in chosen]

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """Whether each row asked for has a wrapper of this class around it, or all rows together have."""
        chosen, scalars, layer, around = self._chosen(indices), self._scalars, self.env, False
        while isinstance(layer, VectorWrapper):
            around |= isinstance(layer, wrapper_class)
            layer = layer.env
        if scalars is not None:
            return [around or is_wrapped(scalars[i], wrapper_class) for i in chosen]
        if not self._rows_have("__str__"):
            return [around for _ in chosen]
        # in other processes; a wrapper's text names it and all that it wraps
        named = [re.split("[<>]", text) for text in self.env.unwrapped.call("__str__")]  # type: ignore[attr-defined]
        return [around or wrapper_class.__name__ in named[i] for i in chosen]

    def _chosen(self, indices: VecEnvIndices) -> list[int]:
        return list(self._get_indices(indices))

    @property
    def _scalars(self) -> list[gym.Env[Any, Any]] | None:
        """The rows' environments if they are here: those of a `SyncVectorEnv` or a `WorldVectorEnv`."""
        return getattr(self.env.unwrapped, "envs", None)

    def _rows_have(self, name: str) -> bool:
        scalars = self._scalars
        if scalars is not None:
            return all(env.has_wrapper_attr(name) for env in scalars)
        call = getattr(self.env.unwrapped, "call", None)  # of an `AsyncVectorEnv`
        return call is not None and all(call("has_wrapper_attr", name))

    def _owner(self, name: str) -> VectorEnv[Any, Any, Any]:
        """The outermost wrapper that has the attribute, else the vector environment itself."""
        env = self.env
        while isinstance(env, VectorWrapper) and not hasattr(env, name):
            env = env.env
        return env


def _rows(infos: Any, n: int) -> list[dict[str, Any]]:
    """Gymnasium's dict of arrays, where ``_key`` says which rows have ``key``, as one dict per row."""
    if isinstance(infos, list):  # `gymnasium.wrappers.vector.DictInfoToList` was here
        return infos
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for key, values in infos.items():
        if key.startswith("_") and key[1:] in infos:
            continue
        inner = _rows(values, n) if isinstance(values, dict) else values
        mask = infos.get(f"_{key}")
        if mask is None or mask.all():
            for row, value in zip(rows, inner, strict=True):
                row[key] = value
        else:
            for i in np.flatnonzero(mask):
                rows[i][key] = inner[i]
    return rows
