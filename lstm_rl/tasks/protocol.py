"""How a task is trained and when it counts as learned."""

import math
from dataclasses import dataclass
from typing import Literal, NamedTuple


class Criterion(NamedTuple):
    """A number of sequences, how many of them may be wrong, and which mean error they must stay below."""

    sequences: int
    wrong: int = 0
    """At most."""
    mean_error: float = math.inf
    """Below this: mean over sequences of the largest absolute error of an output."""


class Stream(NamedTuple):
    """Sequences in a row without resets: a stream of training or of a test ends at the first wrong answer (2000).

    After each training stream the weights are frozen and tested on streams of their own; success is that all of these
    come to their end.
    """

    answers: int
    """Steps with a target after which a stream ends."""
    tests: int = 10
    """Test streams."""
    max_steps: int = 100_000_000
    """Steps of training and tests together after which no further stream begins (ours)."""
    test_answers: int | None = None
    """Answers after which a test stream ends; None: as many as in training."""
    free_run: int | None = None
    """Answers after which a single test stream at the very end does; None: there are others like those before."""
    whole: bool = False
    """Whether an answer is a whole sequence, right at all its steps, instead of each step with a target."""
    reset: bool = False
    """Whether the network is put to rest where a sequence begins, as the paper does."""


@dataclass(frozen=True)
class Protocol:
    """Learning rate, stop rule and budget.

    A sequence is wrong if some output is off by ``tolerance`` or more. Training stops once all criteria have been met,
    one after the other.
    """

    learning_rate: float
    """Learning rate of plain gradient descent."""
    criteria: tuple[Criterion, ...]
    """What has to be reached; none where there are streams."""
    tolerance: float
    """Largest allowed error."""
    stop_on: Literal["training", "test", "legal", "accepted"] = "training"
    """training: criteria hold for the most recent training sequences; test: for fresh ones, with frozen weights;
    legal: the k legal next symbols are the k most active outputs, on two fixed sets of strings; accepted: each output
    is on the right side of 0, in all strings of the training range."""
    momentum: float = 0.0
    """Decay of the running sum of steps, in [0, 1); 0: none."""
    loss: Literal["squared", "cross-entropy"] = "squared"
    """What is descended; cross-entropy is that of logistic outputs."""
    each_step: bool = False
    """Change the weights after each step with a target instead of after each sequence."""
    at_end: bool = False
    """Only the last step with a target counts as right or wrong."""
    grows: bool = False
    """Begin with the links from inputs to outputs alone; cells join when the error stops falling."""
    window_counts: bool = True
    """Whether the sequences of the first criterion count as training; experiment 2 reports fewer than its window."""
    every: int = 100
    """Sequences between two looks at the criteria (ours; published means are multiples of what 100 gives)."""
    max_sequences: int = 5_000_000
    """Budget; of streams, where there are streams."""
    stream: Stream | None = None
    """Training by streams, in the place of the criteria."""
