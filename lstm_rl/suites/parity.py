"""Parity, the latch and the two-sequence problem by random weight guessing: which tasks are trivial?

Source: Schmidhuber, Hochreiter & Bengio, "Evaluating benchmark problems by random guessing" (2001); the other
algorithms' figures are those it quotes from Bengio, Simard & Frasconi (1994) and Bengio & Frasconi (1994).
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.statistics import median_text, steps_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE = "parity, latch and two-sequence problems by guessing all weights (Schmidhuber, Hochreiter & Bengio 2001)"
RUNS = 100
MAX_TRIALS = 1_000_000  # budget of a run (ours)

CASES: dict[str, float] = {
    "parity, A1": 2_906,
    "parity, A2": 2_797,
    "parity, A2 without self-links": 250,
    "parity, A1, noisy inputs": 41_400,
    "latch I": 6,
    "latch II": 22,
    "two sequences (3a), A1": 718,
    "9-bit parity, A1, bit by bit": 1_000,
    "9-bit parity, feed-forward": float("nan"),
}
"""Published mean numbers of trials; those of two sequences and 9 bits are uncertain."""

OTHERS: dict[str, tuple[str, float]] = {
    "simulated annealing (25 - 50 bits)": ("parity", 810_000),
    "discrete error propagation, to 5 % error (25 - 50 bits)": ("parity", 54_000),
    "IOHMM, to 12 % error (250 - 500 bits)": ("parity", 3_400),
    "best of several methods": ("latch", 1_600),
    "multigrid random search": ("two sequences", 6_400),
}
"""Other published algorithms: (problem, trials)."""

PROTOCOL = """\
Random weight guessing: all weights, biases included, are drawn from U[-100, 100] until a network classifies all
training sequences; the number of networks drawn is the number of trials. {runs} runs per case, seeds from {seed}, each
with its own sequences; at most {budget:,} trials. Lengths 500 .. 600, two sequences 100 .. 110 with N = 3; 50 training
and 50 test sequences of each class; 9 bits: all 512 patterns, tested on 100 sequences of 500 .. 600 bits. Inputs +-1,
targets 1 (odd) and 0, logistic units (latch: tanh), activations 0 at the start. Right: |error| < .1 at the end (latch
I: .4, feed-forward network: .5). Success: all training sequences right. Steps are time steps of networks, on one core.
In brackets: medians with 95 % intervals."""

NOTES = """\
A1 is a fully recurrent net with one hidden unit, A2 has ten that see input, output and themselves. Where the source is
silent, ours: self-links of hidden unit and output in A1, no bias of its output, the output sees hidden units of the
same step (with those of the step before no net could tell parity), and noise in latch II that does not pass the input
weight. A1 with a biased output takes 9 k trials, 27 k with noise; without the hidden unit's self-link besides, 3.3 k
and 14 k (40 runs or more, other seeds).
The feed-forward network has 9 hidden units, 100 weights; A1 has 7 and carries over to any length. Published figures of
two sequences and 9 bits are uncertain. What guessing solves within thousands of trials is no test of memory."""


@dataclass(frozen=True)
class Run:
    """One run."""

    suite: str = "parity"
    case: str = "parity, A1"
    """One of `CASES`."""
    seed: int = 0
    max_trials: int = MAX_TRIALS


def run(settings: Run) -> Row:
    """Guess until success or the end of the budget, then test."""
    import numpy as np

    from lstm_rl.suites.guessing import guess, outputs
    from lstm_rl.suites.guessing_cases import PROBLEMS

    problem = PROBLEMS[settings.case]()
    case = list(CASES).index(settings.case)
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
    return {
        "success": solution.weights is not None,
        "trials": solution.trials,
        "test_errors": errors,
        "network_steps": solution.steps,
        "seconds": seconds,
    }


def study(options: Options) -> Study:
    """The study that the options describe."""
    settings = [Run(case=case, seed=seed, max_trials=MAX_TRIALS) for seed in options.seeds for case in CASES]
    protocol = PROTOCOL.format(runs=options.runs, seed=options.seed, budget=MAX_TRIALS)
    return Study("parity", protocol, settings, run, table, figures, NOTES)


def _cells(rows: list[Row]) -> dict[str, list[Row]]:
    """The runs of each case, cases in their own order."""
    cells = {case: [row for row in rows if row["case"] == case] for case in CASES}
    return {case: runs for case, runs in cells.items() if runs}


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def table(rows: list[Row]) -> str:
    """A line per case, published beside ours, then the algorithms that were not run."""
    lines = [
        "| case | published trials | ours: success | trials, mean (median) | test errors of 100, mean | steps/s |",
        "|---|---|---|---|---|---|",
    ]
    for case, runs in _cells(rows).items():
        solved = [run["trials"] for run in runs if run["success"]]
        mean, errors = _mean(solved), _mean([run["test_errors"] for run in runs if run["test_errors"] is not None])
        speed = sum(run["network_steps"] for run in runs) / sum(run["seconds"] for run in runs)
        parts = [
            case,
            "-" if math.isnan(CASES[case]) else f"{CASES[case]:,.0f}",
            success_text(len(solved), len(runs)),
            "-" if mean is None else f"{mean:,.0f}; {median_text(solved)}",
            "-" if errors is None else f"{errors:.2g}",
            steps_text(speed),
        ]
        lines.append(f"| {' | '.join(parts)} |")
    lines += [f"| {problem}, {name} | {trials:,.0f} | not run | | | |" for name, (problem, trials) in OTHERS.items()]
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """How many trials runs took, and what guessing saves against other algorithms."""
    from lstm_rl.suites.parity_figures import saved, survival

    cells = _cells(rows)
    trials = {case: [run["trials"] for run in runs if run["success"]] for case, runs in cells.items()}
    budget = max(row["max_trials"] for row in rows)
    return {
        "trials": survival(trials, {case: len(runs) for case, runs in cells.items()}, CASES, budget),
        "saved": saved({case: sum(of) / len(of) for case, of in trials.items() if of}, CASES, OTHERS),
    }
