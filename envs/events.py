"""Events instead of observations, for any Gymnasium environment: ARAVQ as a wrapper.

A step lasts until the class of the stream changes: the action is repeated, and its rewards are summed up. The agent
sees the class, one-hot. So an agent with memory bridges events, not time steps; an action has to be a
behaviour that makes sense until the next one.

    env = AravqEvents(gymnasium.make("lstm_rl/RobotTMazeTwin-v0"), Aravq(window=10, delta=0.3))
"""

from typing import Any, SupportsFloat

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box
from gymnasium.utils import RecordConstructorArgs
from numpy.typing import NDArray

from lstm_rl.checks import check_int
from lstm_rl.envs.aravq import Aravq

Observation = NDArray[np.float32]


SHORT = 20
"""Episodes of which one at least has to fill the window."""


class AravqEvents(gym.Wrapper[Observation, Any, Any, Any], RecordConstructorArgs):
    """Decisions at events; see the module. Classes stay from episode to episode, the last inputs do not.

    Truncation cuts a step short as an end does. With ``aravq.learning`` new classes appear as training goes on; they
    never change their place among the inputs.

    Args:
        env: Its observations are Box (D,), of one size for all inputs: scale them to about [0, 1].
        aravq: Finds the events; it learns along if it is told to.
        patience: Steps >= 1 of the environment after which a step ends in any case.

    Raises:
        ValueError: Observations of another kind; or, by `step`, none of the first `SHORT` episodes
            fills the window.
    """

    def __init__(self, env: gym.Env[Any, Any], aravq: Aravq, patience: int = 50) -> None:
        RecordConstructorArgs.__init__(self, aravq=aravq, patience=patience)
        gym.Wrapper.__init__(self, env)
        if not isinstance(env.observation_space, Box) or len(env.observation_space.shape) != 1:
            raise ValueError(
                f"observation_space must be Box with one dimension, got {env.observation_space}: put "
                "gymnasium.wrappers.FlattenObservation around the environment first"
            )
        self.aravq, self.patience = aravq, check_int("patience", patience, 1)
        self.observation_space = Box(0.0, 1.0, (aravq.most,), np.float32)
        self._seen, self._lengths = (
            0,
            list[int](),
        )  # inputs of this episode; of the ones before, until one fills the window

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """See `gymnasium.Env.reset`."""
        x, info = self.env.reset(seed=seed, options=options)
        self.aravq.reset()
        self._seen = 1
        self.aravq.see(x)
        return self._one_hot(), info

    def step(self, action: Any) -> tuple[Observation, SupportsFloat, bool, bool, dict[str, Any]]:
        """Repeat an action until the next event, the episode's end, or ``patience`` steps."""
        total, event, kept, terminated, truncated, info = 0.0, False, 0, False, False, dict[str, Any]()
        while not (event or terminated or truncated or kept == self.patience):
            x, reward, terminated, truncated, info = self.env.step(action)
            total += float(reward)
            event, kept = self.aravq.see(x), kept + 1
        self._seen += kept
        if (terminated or truncated) and len(self._lengths) < SHORT:
            self._lengths.append(self._seen)
            if len(self._lengths) == SHORT and max(self._lengths) < self.aravq.window:
                raise ValueError(
                    f"window must be at most the observations of an episode, got {self.aravq.window} where the longest "
                    f"of the first {SHORT} episodes has {max(self._lengths)}"
                )
        return self._one_hot(), total, terminated, truncated, info

    def _one_hot(self) -> Observation:
        observation = np.zeros(self.aravq.most, np.float32)
        if self.aravq.winner is not None:
            observation[self.aravq.winner] = 1.0
        return observation
