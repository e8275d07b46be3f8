"""The vector face of a world: one `gymnasium.vector.VectorEnv` for all worlds, in all three autoreset modes.

Dimensions: n rows (environments), S state, I observation. Row i under ``reset(seed=s)`` is, number for number, the
scalar environment under ``reset(seed=s + i)``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from gymnasium.error import ResetNeeded
from gymnasium.spaces import Box
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from lstm_rl.checks import check_int, check_options
from lstm_rl.envs.dynamics import CONTINUES, SUCCEEDED, NoiseTape, World, make_world, reset_rows, step_rows
from lstm_rl.envs.env import WorldEnv

Bools = NDArray[np.bool_]
MAX_ROWS = 10**6  # each has a generator of its own


class WorldVectorEnv(VectorEnv[NDArray[np.float32], NDArray[Any], NDArray[Any]]):
    """``num_envs`` copies of a `World`, stepped together by one compiled loop.

    Autoreset modes as in Gymnasium: NEXT_STEP (the step after an end resets and ignores its action), SAME_STEP (the
    step that ends also resets; the last observation and info are ``infos["final_obs"]``, ``infos["final_info"]``),
    DISABLED (the caller resets with ``options={"reset_mask": mask}``).

    Args:
        world: The rules.
        num_envs: n in [1, 10^6].
        autoreset_mode: One of Gymnasium's three, by value or name.
        render_mode: Accepted for symmetry with the scalar face; the rows are drawn by `picture`.
    """

    def __init__(
        self,
        world: World,
        num_envs: int = 1,
        autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
        render_mode: str | None = None,
    ) -> None:
        self.world = world
        self.num_envs = check_int("num_envs", num_envs, 1, MAX_ROWS)
        self.autoreset_mode = AutoresetMode(autoreset_mode)
        self.metadata = {
            "autoreset_mode": self.autoreset_mode,
            "render_modes": ["rgb_array"],
            "render_fps": 15,
            "optimal_return": world.optimal_return,
            "memoryless_return": world.memoryless_return,
            "horizon": world.horizon,
            "reward_range": world.reward_range,
        }
        self.render_mode = render_mode
        self.single_observation_space = world.observation_space
        self.single_action_space = world.action_space
        self.observation_space = batch_space(world.observation_space, num_envs)
        self.action_space = batch_space(world.action_space, num_envs)
        self.state = np.zeros((num_envs, len(world.state_names)))  # (n, S)
        self.elapsed = np.zeros(num_envs, np.int64)
        self.observation = np.zeros((num_envs, *world.observation_space.shape), np.float32)  # (n, I)
        self.ended = np.zeros(num_envs, np.bool_)  # rows whose episode is over and not yet reset
        self._begun = np.zeros(num_envs, np.bool_)  # rows that have been reset at all
        self.generators = [np.random.default_rng() for _ in range(num_envs)]
        self.tape = NoiseTape(self.generators, world.noise_size)
        self._envs: list[WorldEnv] = []

    @property
    def envs(self) -> list[WorldEnv]:
        """The scalar face of every row, on the row's own memory: for its attributes, its state and its picture."""
        self.tape.rewind()  # so that the generators stand where a row's own would
        if not self._envs:
            self._envs = [_Row(self.world, self.render_mode) for _ in range(self.num_envs)]
        for i, env in enumerate(self._envs):
            env.share(self.state[i : i + 1], self.elapsed[i : i + 1], self.observation[i : i + 1], self.generators[i])
        return self._envs

    def __getstate__(self) -> dict[str, Any]:
        """Copies make faces of their own."""
        return self.__dict__ | {"_envs": []}

    def seed_rows(self, seed: int | Sequence[int | None] | None) -> None:
        """Give row i the generator that the scalar environment has under seed + i; ``None`` leaves a row alone."""
        if seed is None:
            return
        seeds: list[int | None]
        if isinstance(seed, (list, tuple, np.ndarray)):
            seeds = [None if value is None else check_int("seed", value, 0) for value in seed]
        else:
            seeds = [check_int("seed", seed, 0) + i for i in range(self.num_envs)]
        if len(seeds) != self.num_envs:
            raise ValueError(f"seed must be an integer or {self.num_envs} of them, got {len(seeds)}")
        self.tape.rewind()
        for i, value in enumerate(seeds):
            if value is not None:
                self.generators[i] = np.random.default_rng(value)
        self.tape = NoiseTape(self.generators, self.world.noise_size)

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Start episodes in all rows, or in those of the bool array ``options["reset_mask"]`` (n,).

        Raises:
            ValueError: The mask is not a bool array (n,) with at least one true, the seeds do not fit, or there are
                other options.
        """
        check_options(options, "reset_mask")
        self.seed_rows(seed)
        mask = np.ones(self.num_envs, np.bool_)
        if options is not None and "reset_mask" in options:
            mask = options["reset_mask"]
            good = isinstance(mask, np.ndarray) and mask.dtype == np.bool_ and mask.shape == (self.num_envs,)
            if not good or not mask.any():
                raise ValueError(
                    f"reset_mask must be a bool array of shape ({self.num_envs},) with at least one true, got {mask!r}"
                )
        self._reset_rows(mask)
        return self.observation.copy(), {"state": self.state.copy(), "_state": mask.copy()}

    def step(
        self, actions: NDArray[Any]
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], Bools, Bools, dict[str, Any]]:
        """Move all rows by one step; see `gymnasium.vector.VectorEnv.step`.

        Raises:
            ValueError: The actions are not n members of the action space, or (DISABLED) an ended row was not reset.
            ResetNeeded: A row was never reset.
        """
        if not self._begun.all():
            raise ResetNeeded("reset must be called before the first step")
        world, n, moves = self.world, self.num_envs, _moves(self.world, self.num_envs, actions)
        if self.autoreset_mode is AutoresetMode.DISABLED and self.ended.any():
            raise ValueError(
                f"rows {np.flatnonzero(self.ended).tolist()} have ended and must be reset before the next step"
            )
        resetting = self.ended.copy()  # NEXT_STEP: these rows spend this step on their reset
        if resetting.any():
            self._reset_rows(resetting)
        rewards, outcome, truncated = np.zeros(n), np.zeros(n, np.int64), np.zeros(n, np.bool_)
        self.tape.draw(1)
        step_rows(
            world.rules,
            world.params,
            world.max_steps or 0,
            self.tape.values,
            self.tape.position,
            ~resetting,
            moves,
            self.state,
            self.elapsed,
            self.observation,
            rewards,
            outcome,
            truncated,
        )
        terminated = outcome != CONTINUES
        self.ended = terminated | truncated
        infos: dict[str, Any] = {}
        ended = self.ended.copy()
        if ended.any():
            success = (outcome == SUCCEEDED) | (truncated & world.survival_is_success)
            final = {"is_success": success & ended, "_is_success": ended}
            if self.autoreset_mode is AutoresetMode.SAME_STEP:
                final |= {"state": self.state.copy(), "_state": ended}
                last = np.full(n, None, object)
                for i in np.flatnonzero(ended):
                    last[i] = self.observation[i].copy()
                infos |= {"final_obs": last, "_final_obs": ended, "final_info": final, "_final_info": ended}
                self._reset_rows(ended)
            else:
                infos |= final
        infos |= {"state": self.state.copy(), "_state": np.ones(n, np.bool_)}
        return self.observation.copy(), rewards, terminated, truncated, infos

    def _reset_rows(self, mask: Bools) -> None:
        world = self.world
        self.tape.draw(1)
        reset_rows(
            world.rules,
            world.params,
            self.tape.values,
            self.tape.position,
            mask,
            self.state,
            self.elapsed,
            self.observation,
        )
        self.ended = self.ended & ~mask
        self._begun |= mask

    def get_state(self) -> dict[str, Any]:
        """Everything that the future depends on, as plain values."""
        self.tape.rewind()
        return {
            "state": self.state.copy(),
            "elapsed": self.elapsed.copy(),
            "observation": self.observation.copy(),
            "ended": self.ended.copy(),
            "generators": [generator.bit_generator.state for generator in self.generators],
        }

    def set_state(self, values: dict[str, Any]) -> None:
        """Go on from where `get_state` of the same kind of world, with as many rows, stood."""
        if values["state"].shape != self.state.shape:
            raise ValueError(f"state must have the shape {self.state.shape}, got {values['state'].shape}")
        self.tape.rewind()
        self._begun[:] = True
        for name in ("state", "elapsed", "observation", "ended"):
            getattr(self, name)[:] = values[name]
        for generator, state in zip(self.generators, values["generators"], strict=True):
            generator.bit_generator.state = state

    def with_autoreset(self, mode: AutoresetMode | str) -> "WorldVectorEnv":
        """This environment if it is in that mode, else one that goes on from where it stands; to be reset first."""
        if self.autoreset_mode is AutoresetMode(mode):
            return self
        other = type(self)(self.world, self.num_envs, mode, self.render_mode)
        other.set_state(self.get_state())
        other._begun[:] = False
        other.spec = self.spec
        return other

    def picture(self, i: int) -> NDArray[np.uint8]:
        """Draw row ``i``: (H, W, 3) uint8."""
        moment = (self.world, self.state[i], self.observation[i], int(self.elapsed[i]))
        picture: NDArray[np.uint8] = self.world.load_renderer().picture(*moment)
        return picture

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """One picture per row if ``render_mode`` is "rgb_array"."""
        if self.render_mode != "rgb_array":
            return None
        return tuple(self.picture(i) for i in range(self.num_envs))


def _moves(world: World, n: int, actions: Any) -> NDArray[Any]:
    """Actions of n rows as compiled code takes them: (n,) int64, or (n, A) float64.

    Raises:
        ValueError: They are not n members of the action space.
    """
    moves, space = np.asarray(actions), world.action_space
    if isinstance(space, Box):
        if moves.shape != (n, *space.shape) or not ((moves >= space.low) & (moves <= space.high)).all():
            raise ValueError(f"actions must be {n} members of {space}, got {actions!r}")
        return moves.astype(np.float64)
    integers = np.issubdtype(moves.dtype, np.integer)
    if moves.shape != (n,) or not integers or moves.min() < 0 or moves.max() >= space.n:
        raise ValueError(f"actions must be {n} integers in 0..{space.n - 1}, got {actions!r}")
    return moves.astype(np.int64)


class _Row(WorldEnv):
    """A row of a `WorldVectorEnv`."""

    def reset(self, **_: Any) -> Any:
        """Refused.

        Raises:
            ValueError: Always.
        """
        raise ValueError("reset and step must be called on the vector environment, which moves all of its rows")

    step = reset  # type: ignore[assignment]


def make_vector_env(
    world: str,
    num_envs: int = 1,
    autoreset_mode: AutoresetMode | str = AutoresetMode.NEXT_STEP,
    render_mode: str | None = None,
    max_episode_steps: int | None = None,
    **arguments: Any,
) -> WorldVectorEnv:
    """Vector entry point of every registered environment; see `lstm_rl.envs.env.make_env`.

    `gymnasium.make_vec` leaves its step limit to the entry point: the lower of that and the world's own holds.
    """
    made = make_world(world, arguments)
    made = made if max_episode_steps is None else made.limited(max_episode_steps)
    return WorldVectorEnv(made, num_envs, autoreset_mode, render_mode)
