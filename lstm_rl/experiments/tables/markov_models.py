"""Hidden Markov models on the symbolic tasks of 1997: the other sequence learner, and where it must fail."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import success_matrix
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import hidden_markov
from lstm_rl.experiments.protocols.hidden_markov import (
    GAIN,
    ITERATIONS,
    MARGIN,
    STARTS,
    STRINGS,
    SYMBOLS,
    TEST_STRINGS,
    MarkovRun,
)
from lstm_rl.experiments.statistics import successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = f"""\
Hidden Markov models (hmmlearn's CategoricalHMM) on tasks of 1997. A string is a task's symbols and, last, the answer:
in hs1997-temporal-order-3 one of four more symbols. Training (ours): {STRINGS:,} strings, or {SYMBOLS:,} symbols if
these are fewer; {STARTS} random starts as hmmlearn draws them, each of at most {ITERATIONS} iterations of EM, fewer
once one adds less than {GAIN} to the log likelihood; the likeliest is kept. Test: {TEST_STRINGS} fresh strings, the
next symbol predicted from all before it. Success: all are right. A string is right in hs1997-reber if at every step
the k legal next symbols are the k most probable (paper); in the other tasks if the last prediction takes the right
answer to be more than {MARGIN:g} times as probable as each other answer: that is .75 of two, the tolerance of the
paper, but without the demand that it also knows when the answer comes (ours). In brackets: 95 % intervals; then the
mean share of right strings."""
NOTES = """\
Shares up to 50 %, or 25 % in hs1997-temporal-order-3, are guesses: many states on few strings guess with confidence.
50 % in hs1997-reber: the inner grammar was learned, the outer symbol is guessed. LSTM on the same tasks:
`lstm-rl table hs1997`."""
STATES, LAGS = (5, 10, 20, 40), (4, 10, 20, 50, 100)
TASKS = (
    ("hs1997-reber", 0),  # lags 5 and more
    *(("hs1997-lag-a", lag) for lag in LAGS),
    *(("hs1997-lag-b", lag) for lag in LAGS),
    ("hs1997-temporal-order-3", 0),  # lags 50 and more
)


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, and the mean share of right strings."""
    return {"": f"{successes(runs)[1]}; {100 * runs['share_right'].mean():.0f} %"}


ROWS = [
    Row(f"{task}, p = {lag}" if lag else task, MarkovRun(task=task, lag=lag, states=states), column=f"{states} states")
    for task, lag in TASKS
    for states in STATES
]
EXPERIMENTS = (
    Experiment(
        "hmm",
        "hidden Markov models on symbolic tasks: which time lags EM bridges with how many states",
        PROTOCOL,
        ROWS,
        hidden_markov.run,
        score,
        partial(success_matrix, column="states", axis="states"),
        lambda _: hidden_markov.load_hmmlearn(),
        NOTES,
        runs=5,
    ),
)
