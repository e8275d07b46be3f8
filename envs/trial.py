"""Learning to learn: several episodes of one task as one long episode, in which an agent can learn the task.

An agent whose memory lives through the trial can carry what it found out in one episode to the next ones. So the end of
an inner episode is no end to Gymnasium, only an input; the end of the last one is ``terminated``. The weights of an
agent need not change any more: after training, its memory alone learns.

| appended to the observation | what                                                              |
|-----------------------------|-------------------------------------------------------------------|
| last action                 | one-hot (Box: as it is); zeros at the trial's first observation   |
| last reward                 | raw; zero at the trial's first observation                        |
| flag                        | 1 where an inner episode begins (and after the last one), else 0  |

After Y. Duan et al., "RL^2: Fast Reinforcement Learning via Slow Reinforcement Learning", arXiv 1611.02779 (2016). The
worlds BernoulliBandit, TabularMDP, DarkKeyToDoor, and DarkRoom with ``terminates=True``, are such trials by themselves
and train inside the compiled loop; this wrapper makes one of any other environment.

What keeps the task? An environment may have an option of `reset` for it, such as ``{"same_task": True}`` of our worlds.
Otherwise the trial's seed keeps it: each inner episode begins with ``reset(seed=s)``, so that the reset draws the same
again. In an environment that draws in ``step``, too, these draws are then the same in each inner episode.
"""

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.envs.wrappers import PreviousAction, PreviousReward, as_numbers

Observation = NDArray[np.float32]


class Trial(gym.Wrapper[Observation, Any, Any, Any], RecordConstructorArgs):
    """``episodes`` episodes of one task as one; the module describes it.

    ``info`` holds ``"inner_episode"``, 0 .. episodes - 1, and at the last step of an inner episode ``"inner_return"``.

    Args:
        env: Observations Box (n,) or Discrete, actions Box (m,) or Discrete; its episodes must end, terminated or
            truncated, which is the same to the trial.
        episodes: Of a trial, >= 1.
        same_task: Options of `reset` with which the environment keeps its task; None: the seed keeps it. Worlds refuse
            options that they do not know; of another environment make sure that it heeds them.
        low: The smallest reward, if it is known, see `lstm_rl.envs.wrappers.PreviousReward`.
        high: The largest one.

    Raises:
        ValueError: The spaces are of other kinds, or an argument is out of its range.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        episodes: int,
        same_task: dict[str, Any] | None = None,
        low: float | None = None,
        high: float | None = None,
    ) -> None:
        RecordConstructorArgs.__init__(self, episodes=episodes, same_task=same_task, low=low, high=high)
        gym.Wrapper.__init__(self, env)
        if same_task is not None and not isinstance(same_task, dict):
            raise ValueError(f"same_task must be a dict of options of reset, got {same_task!r}")
        self._episodes, self._same_task = check_int("episodes", episodes, 1), same_task
        with_action = PreviousAction(env)  # the two wrappers tell the bounds, and what an action looks like
        rest = PreviousReward(with_action, low, high).observation_space
        assert isinstance(rest, Box)
        self.observation_space = Box(np.append(rest.low, np.float32(0.0)), np.append(rest.high, np.float32(1.0)))
        self._no_action = np.zeros_like(as_numbers(env.action_space, env.action_space.sample()))
        self._episode, self._return = 0, 0.0
        self._seed: int | None = None
        self._seeds: np.random.Generator | None = None

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Start a trial with a new task; see `gymnasium.Env.reset`."""
        if self._same_task is None:  # a seed for each trial
            if seed is not None or self._seeds is None:
                self._seeds = np.random.default_rng(seed)
            seed = self._seed = int(self._seeds.integers(2**31))
        observation, info = self.env.reset(seed=seed, options=options)
        self._episode, self._return = 0, 0.0
        return self._join(observation, self._no_action, 0.0, True), info | {"inner_episode": 0}

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """See `gymnasium.Env.step`; ``truncated`` is always False."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        info = info | {"inner_episode": self._episode}
        self._return += float(reward)
        ended = terminated or truncated
        if ended:
            info["inner_return"] = self._return
            self._episode, self._return = self._episode + 1, 0.0
        over = self._episode == self._episodes
        if ended and not over:
            observation, _ = self.env.reset(seed=self._seed, options=self._same_task)
        done = as_numbers(self.env.action_space, action)
        return self._join(observation, done, float(reward), ended), reward, over, False, info

    def _join(self, observation: Any, action: Observation, reward: float, begins: bool) -> Observation:
        shown = as_numbers(self.env.observation_space, observation)
        return np.concatenate([shown, action, [reward, float(begins)]], dtype=np.float32)
