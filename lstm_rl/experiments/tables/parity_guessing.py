"""Parity, the latch and the two-sequence problem by random weight guessing: which tasks are trivial?

Source: Schmidhuber, Hochreiter & Bengio, "Evaluating benchmark problems by random guessing" (2001); the other
algorithms' figures are those it quotes from Bengio, Simard & Frasconi (1994) and Bengio & Frasconi (1994).
"""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.guessing_charts import guessing_charts
from lstm_rl.experiments.protocols import guessing_run
from lstm_rl.experiments.protocols.guessing_run import CASES, GuessingRun
from lstm_rl.experiments.statistics import median_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
Random weight guessing: all weights, biases included, are drawn from U[-100, 100] until a network classifies all
training sequences; the number of networks drawn is the number of trials. Each run has its own sequences, and at most
1,000,000 trials. Lengths 500 .. 600, two sequences 100 .. 110 with N = 3; 50 training and 50 test sequences of each
class; 9 bits: all 512 patterns, tested on 100 sequences of 500 .. 600 bits. Inputs +-1, targets 1 (odd) and 0, logistic
units (latch: tanh), activations 0 at the start. Right: |error| < .1 at the end (latch I: .4, feed-forward network: .5).
Success: all training sequences right. Steps are time steps of networks, on one core. In brackets: medians with 95 %
intervals."""
NOTES = """\
A1 is a fully recurrent net with one hidden unit, A2 has ten that see input, output and themselves. Where the source is
silent, ours: self-links of hidden unit and output in A1, no bias of its output, the output sees hidden units of the
same step (with those of the step before no net could tell parity), and noise in latch II that does not pass the input
weight. A1 with a biased output takes 9 k trials, 27 k with noise; without the hidden unit's self-link besides, 3.3 k
and 14 k (40 runs or more, other seeds).
The feed-forward network has 9 hidden units, 100 weights; A1 has 7 and carries over to any length. Published figures of
two sequences and 9 bits are uncertain. What guessing solves within thousands of trials is no test of memory."""
TRIALS = dict(zip(CASES, (2_906, 2_797, 250, 41_400, 6, 22, 718, 1_000, None), strict=True))
"""Published mean numbers of trials; those of two sequences and 9 bits are uncertain."""
OTHERS = {
    "simulated annealing (25 - 50 bits)": ("parity", 810_000),
    "discrete error propagation, to 5 % error (25 - 50 bits)": ("parity", 54_000),
    "IOHMM, to 12 % error (250 - 500 bits)": ("parity", 3_400),
    "best of several methods": ("latch", 1_600),
    "multigrid random search": ("two sequences", 6_400),
}
"""Other published algorithms: (problem, trials)."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, trials to a solution, and what it does on test sequences."""
    good, success = successes(runs)
    trials, errors = good["trials"], runs["test_errors"].dropna()
    return {
        "success": success,
        "trials, mean (median)": f"{trials.mean():,.0f}; {median_text(trials)}" if len(good) else "-",
        "test errors of 100, mean": f"{errors.mean():.2g}" if len(errors) else "-",
        "steps/s": steps_text(runs["network_steps"].sum() / runs["seconds"].sum()),
    }


ROWS = (
    *(Row(case, GuessingRun(case), {"trials": "-" if trials is None else trials}) for case, trials in TRIALS.items()),
    *(Row(f"{problem}, {name}, not run", None, {"trials": trials}) for name, (problem, trials) in OTHERS.items()),
)
FIGURES = partial(guessing_charts, published=TRIALS, others=OTHERS)
ABOUT = "parity, latch and two-sequence problems by guessing all weights (Schmidhuber, Hochreiter & Bengio 2001)"
EXPERIMENTS = (Experiment("parity", ABOUT, PROTOCOL, ROWS, guessing_run.run, score, FIGURES, notes=NOTES, runs=100),)
