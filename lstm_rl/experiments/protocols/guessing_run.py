"""One run of random weight guessing with many guesses side by side: how many trials does a problem take?"""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lstm_rl.checks import check_choice, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

CASES = (
    "parity, A1",
    "parity, A2",
    "parity, A2 without self-links",
    "parity, A1, noisy inputs",
    "latch I",
    "latch II",
    "two sequences (3a), A1",
    "9-bit parity, A1, bit by bit",
    "9-bit parity, feed-forward",
)
"""Names of `guessing_problems.PROBLEMS`; their order is part of the seeds."""


@dataclass(frozen=True)
class GuessingRun:
    """Everything that a run depends on."""

    case: str = "parity, A1"
    """One of `CASES`."""
    seed: int = 0
    max_trials: int = 1_000_000
    """Budget (ours)."""

    def __post_init__(self) -> None:
        check_choice("case", self.case, CASES)
        check_int("max_trials", self.max_trials, 1)


def run(settings: GuessingRun, report: "Report") -> dict[str, Any]:
    """Guess until success or the end of the budget, then test.

    Returns:
        success; trials; test_errors, None without success or test; network_steps of all trials, and their seconds.
    """
    import numpy as np

    from lstm_rl.experiments.protocols.guessing_problems import PROBLEMS
    from lstm_rl.experiments.protocols.lane_guessing import guess, outputs

    problem, case = PROBLEMS[settings.case](), CASES.index(settings.case)
    for_training, for_tests, for_weights = (np.random.default_rng([settings.seed, case, k]) for k in range(3))
    train = problem.train(for_training)
    guess(problem.net, train, problem.tolerance, 1, np.random.default_rng(0))  # compiled before the clock starts
    begun = time.perf_counter()
    solution = guess(problem.net, train, problem.tolerance, settings.max_trials, for_weights)
    seconds = time.perf_counter() - begun
    errors = None
    if solution.weights is not None and problem.test is not None:
        test = problem.test(for_tests)
        answers = outputs(problem.net, solution.weights[:, None], test)[:, 0]
        errors = int((np.abs(answers - test.targets) >= problem.tolerance).sum())
    report(solution.trials)
    return {
        "success": solution.weights is not None,
        "trials": solution.trials,
        "test_errors": errors,
        "network_steps": solution.steps,
        "seconds": seconds,
    }
