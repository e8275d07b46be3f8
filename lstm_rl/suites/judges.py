"""What to look at in order to stop, and at the end: one judge per kind of protocol."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import Sgd, Update, forward, reset
from lstm_rl.studies.engine import Row
from lstm_rl.suites.learner import learn
from lstm_rl.suites.unrolled import Unrolled
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.reber import ReberTask
from lstm_rl.tasks.streaming import Found, Source, make_found, make_source
from lstm_rl.tasks.task import Task

TESTED = 2560  # sequences at the end
STILL = Update(Sgd(), 0.0, 1.0)


def make_judge(task: Task, rng: np.random.Generator) -> Any:
    """The judge of a task's protocol; tests come from ``rng``."""
    judges: dict[str, Any] = {"training": Recent, "test": Tested, "legal": Legal}
    return judges[task.protocol.judged_on](task, rng)


class Recent:
    """The most recent training sequences."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        self.task, self.protocol = task, task.protocol
        self.window = max(criterion.sequences for criterion in self.protocol.criteria)
        self.errors = np.zeros(0)

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        """Training sequences."""
        return make_source(task, rng)

    def see(self, found: Found) -> None:
        """What came of the latest training sequences."""
        self.errors = np.append(self.errors, errors_of(self.protocol, found))[-self.window :]

    def satisfied(self, approximator: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met."""
        errors = self.errors[-criterion.sequences :]
        return (
            len(errors) == criterion.sequences
            and int((errors >= self.protocol.tolerance).sum()) <= criterion.wrong
            and bool(errors.mean() < criterion.mean_error)
        )

    def result(self, approximator: Any, rng: np.random.Generator) -> Row:
        """Wrong of how many fresh sequences, and their errors."""
        found = make_found(TESTED)
        learn(approximator, make_source(self.task.tested, rng), STILL, self.protocol.each_step, found)
        errors, outputs = errors_of(self.protocol, found), self.task.outputs
        wrong = int((~(errors < self.protocol.tolerance)).sum())  # what is not a number is wrong
        mse = float(found.squares.mean()) / outputs
        return {"wrong": wrong, "tested": TESTED, "mean_error": _digits(errors.mean()), "mse": _digits(mse)}


class Tested(Recent):
    """Fresh sequences at every look, in small pieces: most looks end at the first."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        super().__init__(task, rng)
        self.tests = make_source(task.tested, rng)

    def see(self, found: Found) -> None:
        """Training errors do not matter."""

    def satisfied(self, approximator: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met by fresh sequences."""
        self.errors, piece = np.zeros(0), make_found(16)
        while len(self.errors) < criterion.sequences:
            learn(approximator, self.tests, STILL, self.protocol.each_step, piece)
            self.errors = np.append(self.errors, errors_of(self.protocol, piece))
            if (self.errors >= self.protocol.tolerance).sum() > criterion.wrong:
                return False
        return super().satisfied(approximator, criterion)


class Legal:
    """Two fixed sets of strings without a string in common; what is legal next has to be most active everywhere."""

    def __init__(self, task: Task, rng: np.random.Generator) -> None:
        assert isinstance(task, ReberTask)
        self.strings, both = task.sets(rng)
        self.x, self.legal, self.lengths = task.legal(both)

    def source(self, task: Task, rng: np.random.Generator) -> Source:
        """Strings of the first set."""
        return make_source(self.strings, rng)

    def see(self, found: Found) -> None:
        """Training errors do not matter."""

    def satisfied(self, approximator: Any, criterion: Criterion) -> bool:
        """Whether a criterion is met by both sets."""
        return self._wrong(approximator, criterion.wrong) <= criterion.wrong

    def result(self, approximator: Any, rng: np.random.Generator) -> Row:
        """Wrong of all strings of both sets."""
        tested = len(self.lengths)
        wrong = self._wrong(approximator, tested)
        return {"wrong": wrong, "tested": tested, "mean_error": None, "mse": None}

    def _wrong(self, approximator: Any, enough: int) -> int:
        if isinstance(approximator, Unrolled):
            return approximator.wrong_strings(self.x, self.legal, self.lengths)
        return int(wrong_strings(approximator, self.x, self.legal, self.lengths, enough)[0])


def errors_of(protocol: Protocol, found: Found) -> NDArray[np.float64]:
    """The errors (N,) that make a sequence right or wrong."""
    return found.last if protocol.at_end else found.largest


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
