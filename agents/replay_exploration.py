"""What replay learners do to explore, beside epsilon or noise: the aids that their settings ask for, in one place.

    epsilon  <-  max(epsilon, c / (c + N))     where an observation was seen N times (`exploration_visits`)
    epsilon  <-  1                             at an exploring start (`exploring_starts`)
    epsilon begins to fall                     when episodes return different sums (`exploration_returns`)
    a random action lasts                      (`exploration_duration`, `duration_exponent`)
    reward   <-  reward + beta / sqrt(N)       in targets (`novelty_bonus`)

See `lstm_rl.agents.observation_counts`, `exploring_starts`, `differing_returns` and `repeated_actions`.

Dimensions: n environments, m of them, K actions.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.agents.differing_returns import DifferingReturns
from lstm_rl.agents.exploring_starts import ExploringStarts
from lstm_rl.agents.observation_counts import ObservationCounts
from lstm_rl.agents.repeated_actions import RepeatedActions
from lstm_rl.agents.replay_config import DqnConfig, ReplayConfig


class ReplayExploration:
    """The aids of n environments; each is None where no setting asks for it.

    Args:
        config: Says which, and their numbers.
        inputs: Numbers of an observation, >= 1.
        rng: Draws the projection of `ObservationCounts`.
    """

    returns: DifferingReturns | None = None
    held_until: int = 0
    """Steps from the start of training to that from which epsilon falls. Both here, since older models have neither."""

    def __init__(self, config: ReplayConfig, inputs: int, rng: np.random.Generator) -> None:
        self.config = config
        self.counts = ObservationCounts(inputs, config.novelty_bits, rng) if config.counts_observations else None
        self.starts: ExploringStarts | None = None
        self.repeated: RepeatedActions | None = None
        self.start_training()

    def start_training(self) -> None:
        """Steps are counted from 0 again, and so are episodes by their returns."""
        c, self.held_until = self.config, 0
        if isinstance(c, DqnConfig) and c.exploration_returns:
            self.returns = DifferingReturns(c.exploration_returns, c.gamma)

    def reset(self, n: int) -> None:
        """Environments, n from now on, are about to begin new episodes; what has been counted stays."""
        if self.counts is not None:
            self.counts.reset(n)
        if self.returns is not None:
            self.returns.reset(n)
        if isinstance(self.config, DqnConfig):
            probability, mu = self.config.exploring_starts, self.config.duration_exponent
            max_mean = self.config.exploration_duration
            self.starts = ExploringStarts(n, probability) if probability else None
            self.repeated = RepeatedActions(n, mu, max_mean) if mu is not None or max_mean > 1.0 else None

    def begin(self, rows: NDArray[np.intp], x: NDArray[Any], rng: np.random.Generator) -> None:
        """Environments ``rows`` (m,) see the first observations ``x`` (m, ...) of episodes."""
        if self.counts is not None:
            self.counts.begin(rows, x)
        if self.starts is not None:
            self.starts.begin(rows, rng)
        if self.repeated is not None:
            self.repeated.begin(rows, rng, single=self.returns is not None and self.returns.differ)

    @property
    def held(self) -> bool:
        """Whether epsilon is to stay at its first value now."""
        return self.returns is not None and self.returns.hold

    def raised(self, epsilon: NDArray[np.float64]) -> NDArray[np.float64]:
        """Epsilon (n,) of the next action, higher where visits are few and at exploring starts."""
        if isinstance(self.config, DqnConfig) and (c := self.config.exploration_visits) and self.counts is not None:
            epsilon = np.maximum(epsilon, c / (c + self.counts.here))
        return epsilon if self.starts is None else self.starts.raised(epsilon)
