"""The stopping rule of formal languages: all strings of the training range are accepted, with frozen weights.

What counts is how far a network generalises: the largest N up to which it accepts every count (Gers & Schmidhuber
2001).
"""

from typing import Any

import numpy as np

from lstm_rl.kernels.frozen import make_frozen
from lstm_rl.tasks.acceptance import accepted_range
from lstm_rl.tasks.languages import FormalLanguage
from lstm_rl.tasks.protocol import Criterion
from lstm_rl.tasks.streaming import SequenceErrors, Source, make_source
from lstm_rl.tasks.task import Task


class AcceptedStrings:
    """Stops once the training range is accepted and enough training sequences have been seen."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        assert isinstance(task, FormalLanguage)
        self.task, self.sequences = task, 0

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        """Training sequences."""
        return make_source(task, rng)

    def add(self, seen: SequenceErrors) -> None:
        """Count training sequences."""
        self.sequences += len(seen.lengths)

    def satisfied(self, learner: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met."""
        high = self.task.high
        return self.sequences >= criterion.sequences and range_of(learner, self.task, high) == high

    def result(self, learner: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Up to which count all strings are accepted."""
        return {"range": range_of(learner, self.task, self.task.tested)}


def frozen(learner: Any, task: Task) -> Any:
    """A learner as it is tested: published networks, whatever their weights, have a faster form."""
    published = task.topology
    same = learner.weights.hidden.shape == published.mask.shape
    return make_frozen(published, learner.weights) if same else learner


def range_of(learner: Any, task: FormalLanguage, high: int) -> int:
    """Largest count up to ``high`` to which all strings are accepted."""
    network = frozen(learner, task)
    return int(accepted_range(network, *task.runs, task.low, high, np.zeros(task.inputs)))
