"""When a run has learned its task, and its test at the end: a rule for each value of `Protocol.stop_on`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import compiled
from lstm_rl.experiments.protocols.sequence_learner import learn, no_update
from lstm_rl.experiments.protocols.torch_sequences import TorchSequences
from lstm_rl.kernels.approximator import forward, reset
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.reber import ReberTask
from lstm_rl.tasks.streaming import SequenceErrors, Source, make_errors, make_source
from lstm_rl.tasks.task import Task

TEST_SEQUENCES = 2560  # at the end


def make_rule(task: Task, rng: np.random.Generator) -> Any:
    """The stopping rule of a task's protocol; its tests come from ``rng``."""
    from lstm_rl.experiments.protocols.accepted_strings import AcceptedStrings

    rules: dict[str, Any] = {"training": RecentSequences, "test": FreshSequences, "legal": LegalSymbols}
    rules["accepted"] = AcceptedStrings
    return rules[task.protocol.stop_on](task, rng)


class RecentSequences:
    """Stops by the errors of the most recent training sequences."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self.task, self.protocol = task, task.protocol
        self.window = max(criterion.sequences for criterion in self.protocol.criteria)
        self.errors = np.zeros(0)

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        """Training sequences."""
        return make_source(task, rng)

    def add(self, seen: SequenceErrors) -> None:
        """Take note of the errors of the latest training sequences."""
        self.errors = np.append(self.errors, errors_of(self.protocol, seen))[-self.window :]

    def satisfied(self, learner: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met."""
        errors = self.errors[-criterion.sequences :]
        return (
            len(errors) == criterion.sequences
            and int((errors >= self.protocol.tolerance).sum()) <= criterion.wrong
            and bool(errors.mean() < criterion.mean_error)
        )

    def result(self, learner: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Wrong of how many fresh sequences, and their errors."""
        seen = make_errors(TEST_SEQUENCES)
        learn(learner, make_source(self.task.test_task, rng), no_update(learner), self.protocol.each_step, seen)
        errors, outputs = errors_of(self.protocol, seen), self.task.outputs
        wrong = int((~(errors < self.protocol.tolerance)).sum())  # what is not a number is wrong
        mse = float(seen.squares.mean()) / outputs
        return {"wrong": wrong, "tested": TEST_SEQUENCES, "mean_error": _digits(errors.mean()), "mse": _digits(mse)}


class FreshSequences(RecentSequences):
    """Stops by tests on fresh sequences, drawn a few at a time, since most tests end with the first few."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        super().__init__(task, rng)
        self.tests = make_source(task.test_task, rng)

    def add(self, seen: SequenceErrors) -> None:
        """Ignore training errors."""

    def satisfied(self, learner: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met by fresh sequences."""
        self.errors, few = np.zeros(0), make_errors(16)
        while len(self.errors) < criterion.sequences:
            learn(learner, self.tests, no_update(learner), self.protocol.each_step, few)
            self.errors = np.append(self.errors, errors_of(self.protocol, few))
            if (self.errors >= self.protocol.tolerance).sum() > criterion.wrong:
                return False
        return super().satisfied(learner, criterion)


class LegalSymbols:
    """Stops when the legal symbols are the most active outputs everywhere in two disjoint fixed sets of strings."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        assert isinstance(task, ReberTask)
        self.strings, both = task.sets(rng)
        self.x, self.legal, self.lengths = task.legal(both)

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        """Strings of the first set."""
        return make_source(self.strings, rng)

    def add(self, seen: SequenceErrors) -> None:
        """Ignore training errors."""

    def satisfied(self, learner: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met by both sets."""
        return self._wrong(learner, criterion.wrong) <= criterion.wrong

    def result(self, learner: Any, rng: np.random.Generator) -> dict[str, Any]:
        """Wrong of all strings of both sets."""
        tested = len(self.lengths)
        wrong = self._wrong(learner, tested)
        return {"wrong": wrong, "tested": tested, "mean_error": None, "mse": None}

    def _wrong(self, learner: Any, enough: int) -> int:
        if isinstance(learner, TorchSequences):
            return learner.wrong_strings(self.x, self.legal, self.lengths)
        return int(wrong_strings(learner, self.x, self.legal, self.lengths, enough)[0])


def errors_of(protocol: Protocol, seen: SequenceErrors) -> NDArray[np.float64]:
    """The errors (N,) that make a sequence right or wrong."""
    return seen.last if protocol.at_end else seen.largest


def _digits(value: Any) -> float | None:
    return float(f"{value:.4g}") if np.isfinite(value) else None


@compiled
def wrong_strings(approximator: Any, x: Any, legal: Any, lengths: Any, enough: int) -> tuple[int, int]:
    """How many strings are wrong somewhere; counting ends beyond ``enough``. x (S, T, I), legal (S, T, K) bool.

    Returns:
        Wrong strings, steps taken.
    """
    wrong, steps, outputs = 0, 0, approximator.outputs[0]
    for n in range(lengths.shape[0]):
        reset(approximator, 0)
        for t in range(lengths[n]):
            forward(approximator, 0, x[n, t])
            steps += 1
            least_legal, most_illegal = np.inf, -np.inf
            for k in range(outputs.shape[0]):
                if legal[n, t, k]:
                    least_legal = min(least_legal, outputs[k])
                else:
                    most_illegal = max(most_illegal, outputs[k])
            if not least_legal > most_illegal:
                wrong += 1
                break
        if wrong > enough:
            break
    return wrong, steps
