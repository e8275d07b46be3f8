"""Gymnasium's `VectorEnv` in same-step autoreset mode as a stable-baselines3 `VecEnv`.

SB3 refuses a Gymnasium vector environment; its own are Python loops over scalar ones. This adapter makes one VecEnv of
n rows out of one VectorEnv of n rows, ours or anybody's. Wrap it in SB3's `VecMonitor` to record episodes.
"""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv, VectorWrapper
from numpy.typing import NDArray
from stable_baselines3.common.vec_env import VecEnv
from stable_baselines3.common.vec_env.base_vec_env import VecEnvIndices, VecEnvObs, VecEnvStepReturn


class GymnasiumVecEnv(VecEnv):
    """Present a same-step `VectorEnv` to stable-baselines3.

    ``infos[i]`` holds row i's entries of Gymnasium's info arrays and ``TimeLimit.truncated``. Where an episode ended it
    is that episode's last info, with its last observation as ``terminal_observation``; the next one's first info is in
    ``reset_infos``. Both are as in SB3's own vector environments.

    Raises:
        ValueError: The environment does not reset in the same step.
    """

    def __init__(self, env: VectorEnv[Any, Any, Any]) -> None:
        mode = env.metadata.get("autoreset_mode")
        if mode is not AutoresetMode.SAME_STEP:
            raise ValueError(
                "env must be a VectorEnv with autoreset_mode SAME_STEP (pass it to gymnasium.make_vec in vector_kwargs"
                f" or, for environments of lstm_rl, as an argument), got {mode!r}"
            )
        self.env = env
        self._actions: NDArray[Any] = np.empty(0)
        super().__init__(env.num_envs, env.single_observation_space, env.single_action_space)
        self.metadata = dict(env.metadata)

    @property
    def unwrapped_env(self) -> VectorEnv[Any, Any, Any]:
        """The vector environment under all of Gymnasium's wrappers."""
        return self.env.unwrapped

    def reset(self) -> VecEnvObs:
        """Reset all rows; seeds given to `seed` act here."""
        seeds = None if all(seed is None for seed in self._seeds) else list(self._seeds)
        options = next((options for options in self._options if options), None)
        observation, infos = self.env.reset(seed=seeds, options=options)  # type: ignore[arg-type]  # a list is fine
        self.reset_infos = _rows(infos, self.num_envs)
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
        final_obs, final_info = infos.pop("final_obs", None), infos.pop("final_info", {})
        rows = _rows(infos, self.num_envs)
        dones = terminated | truncated
        if dones.any():
            last = _rows(final_info, self.num_envs)
            for i in np.flatnonzero(dones):
                self.reset_infos[i], rows[i] = rows[i], last[i] | {"terminal_observation": final_obs[i]}
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
        """The vector environment's attribute, once per row asked for."""
        return [getattr(self._owner(attr_name), attr_name)] * len(list(self._get_indices(indices)))

    def set_attr(self, attr_name: str, value: Any, indices: VecEnvIndices = None) -> None:
        """Set an attribute of the vector environment; it has one for all rows."""
        setattr(self._owner(attr_name), attr_name, value)

    def env_method(
        self, method_name: str, *method_args: Any, indices: VecEnvIndices = None, **method_kwargs: Any
    ) -> list[Any]:
        """Call a method of the vector environment; the result is given once per row asked for."""
        result = getattr(self._owner(method_name), method_name)(*method_args, **method_kwargs)
        return [result] * len(list(self._get_indices(indices)))

    def _owner(self, name: str) -> VectorEnv[Any, Any, Any]:
        """The outermost wrapper that has the attribute, else the vector environment itself."""
        env = self.env
        while isinstance(env, VectorWrapper) and not hasattr(env, name):
            env = env.env
        return env

    def env_is_wrapped(
        self, wrapper_class: type[gym.Wrapper[Any, Any, Any, Any]], indices: VecEnvIndices = None
    ) -> list[bool]:
        """No row has a scalar wrapper."""
        return [False] * len(list(self._get_indices(indices)))


def _rows(infos: dict[str, Any], n: int) -> list[dict[str, Any]]:
    """Gymnasium's dict of arrays, where ``_key`` says which rows have ``key``, as one dict per row."""
    rows: list[dict[str, Any]] = [{} for _ in range(n)]
    for key, values in infos.items():
        if key.startswith("_"):
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
