"""The scalar face of a world: `gymnasium.Env`."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.error import ResetNeeded
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_options
from lstm_rl.envs.dynamics import SUCCEEDED, World, make_world, observe_one, reset_one, step_one

RENDER_MODES = ("human", "rgb_array", "ansi")


class WorldEnv(gym.Env[NDArray[np.float32], Any]):
    """A `World` as a Gymnasium environment; spaces, rewards and episode ends are the world's.

    ``reset`` and ``step`` report ``info["state"]``, the Markov state (S,), for oracles and tests, never for agents;
    the last step of an episode also reports ``info["is_success"]``.
    """

    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES), "render_fps": 15}

    def __init__(self, world: World, render_mode: str | None = None) -> None:
        if render_mode is not None:
            check_choice("render_mode", render_mode, RENDER_MODES)
        self.world = world
        self.render_mode = render_mode
        self.observation_space = world.observation_space  # type: ignore[assignment]
        self.action_space = world.action_space
        self.metadata = type(self).metadata | {
            "optimal_return": world.optimal_return,
            "memoryless_return": world.memoryless_return,
            "horizon": world.horizon,
            "reward_range": world.reward_range,
        }
        self._state = np.zeros((1, len(world.state_names)))
        self._elapsed = np.zeros(1, np.int64)
        self._observation = np.zeros((1, *world.observation_space.shape), np.float32)
        self._running = False  # in an episode
        self._began = False  # one, ever
        self._window: Any = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start an episode; see `gymnasium.Env.reset`.

        ``options={"same_task": True}``: it has the task of the episode before, see `World.task`.

        Raises:
            ValueError: The world has no task that could be kept, or there was no episode before; or another option.
        """
        keep = bool(check_options(options, "same_task").get("same_task"))
        if keep and not (self.world.task and self._began):
            lack = "a world with a task" if self._began else "an episode before this one"
            raise ValueError(f"same_task in options needs {lack}, got {options!r}")
        super().reset(seed=seed)
        world = self.world
        noise = self.np_random.random(world.noise_size)
        kept = self._state[0, world.task_indices].copy()
        reset_one(world.rules, world.params, noise, self._state, self._elapsed, self._observation)
        if keep:
            self._state[0, world.task_indices] = kept
            observe_one(world.rules, world.params, noise, self._state, self._observation)
        self._began = True
        self._running = True
        if self.render_mode == "human":
            self.render()
        return self._observation[0].copy(), {"state": self._state[0].copy()}

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Move by one step; see `gymnasium.Env.step`.

        Raises:
            ValueError: The action is not in the action space.
            ResetNeeded: No episode is running.
        """
        if not self._running:
            raise ResetNeeded("reset must be called before the first step and after the last one of an episode")
        if not self.action_space.contains(action):
            raise ValueError(f"action must be in {self.action_space}, got {action!r}")
        world = self.world
        noise = self.np_random.random(world.noise_size)
        reward, outcome, truncated = step_one(
            world.rules,
            world.params,
            world.max_steps or 0,
            noise,
            np.asarray(action, np.float64) if world.continuous else int(action),
            self._state,
            self._elapsed,
            self._observation,
        )
        info: dict[str, Any] = {"state": self._state[0].copy()}
        if outcome or truncated:
            self._running = False
            info["is_success"] = outcome == SUCCEEDED or (truncated and world.survival_is_success)
        if self.render_mode == "human":
            self.render()
        return self._observation[0].copy(), reward, bool(outcome), bool(truncated), info

    def share(self, state: Any, elapsed: Any, observation: Any, generator: np.random.Generator) -> None:
        """Go on with the memory of a running episode, (1, S), (1,) and (1, I), and its generator."""
        self._state, self._elapsed, self._observation = state, elapsed, observation
        self._np_random, self._running, self._began = generator, True, True

    def get_state(self) -> dict[str, Any]:
        """Everything that the future depends on, as plain values: world, step count, observation and generator."""
        return {
            "state": self._state.copy(),
            "elapsed": self._elapsed.copy(),
            "observation": self._observation.copy(),
            "generator": self.np_random.bit_generator.state,
        }

    def set_state(self, values: dict[str, Any]) -> None:
        """Go on from where `get_state` of the same kind of world stood."""
        if values["state"].shape != self._state.shape:
            raise ValueError(
                f"state must have the shape {self._state.shape} of this world, got {values['state'].shape}"
            )
        self._running = self._began = True
        self._state[:] = values["state"]
        self._elapsed[:] = values["elapsed"]
        self._observation[:] = values["observation"]
        self.np_random.bit_generator.state = values["generator"]

    def render(self) -> Any:
        """Return a picture (H, W, 3) uint8 or a line of text, or show a window, as ``render_mode`` says."""
        if self.render_mode is None:
            raise ValueError(f"render_mode must be given to gym.make, one of {', '.join(RENDER_MODES)}")
        moment = (self.world, self._state[0], self._observation[0], int(self._elapsed[0]))
        if self.render_mode == "ansi":
            return self.world.load_renderer().text(*moment)
        picture = self.world.load_renderer().picture(*moment)
        if self.render_mode == "rgb_array":
            return picture
        if self._window is None:
            from lstm_rl.envs.rendering import Window

            self._window = Window(picture.shape[1], picture.shape[0], self.metadata["render_fps"])
        self._window.show(picture)
        return None

    def close(self) -> None:
        """Close the window, if there is one."""
        if self._window is not None:
            self._window.close()
            self._window = None


def make_env(world: str, render_mode: str | None = None, **arguments: Any) -> WorldEnv:
    """Entry point of every registered environment: ``world`` is "module:function", ``arguments`` are the function's."""
    return WorldEnv(make_world(world, arguments), render_mode)
