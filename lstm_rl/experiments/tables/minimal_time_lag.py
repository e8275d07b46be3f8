"""Which networks bridge which time lags? Experiment 2a of 1997, noise-free, with every network of the toolkit."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import success_matrix
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import flag_run
from lstm_rl.experiments.protocols.flag_run import NETWORKS, FlagRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
The noise-free long-lag task of 1997 (experiment 2a): p + 1 one-hot symbols, sequences (y, a1 .. a_(p-1), y) and
(x, a1 .. a_(p-1), x) with probability .5 each, the next symbol to be predicted, an error at every step. Success: with
frozen weights all errors of all outputs are below .25 on both sequences, looked at after every 100 training sequences,
of which there are at most 20,000. All networks have four units or cells, are trained as a whole from the start, and
their outputs see the inputs, too (ours). Gates and cell inputs see the inputs only, as in the paper; input-gate biases
-1 .. -4 (two blocks: -1, -3), forget-gate bias 6. Topologies: plain gradient descent after every step, learning rate 1
(carousels alone: .1), by the truncated gradient (LSTM) or learning rate 3 by the complete one (Elman nets; the better
of 1, 3 and 10 on other seeds). GRU (update-gate biases 1, 2, 4, 6) and sLSTM: Adam, learning rate .1 (the best of .03,
.1 and .3 on other seeds), batches of 16 sequences. In the table: successful runs with 95 % intervals, and the median
number of sequences to success."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, and sequences to success."""
    good, success = successes(runs)
    return {"": success + (f"; {median_text(good['sequences'])}" if len(good) else "")}


ROWS = [
    Row(network, FlagRun(network, lag), column=f"p = {lag}") for network in NETWORKS for lag in (4, 7, 10, 20, 50, 100)
]
EXPERIMENTS = (
    Experiment(
        "minimal-time-lag",
        "which networks bridge which time lags: experiment 2a of 1997 with every network",
        PROTOCOL,
        ROWS,
        flag_run.run,
        score,
        partial(success_matrix, column="lag", axis="time lag p"),
    ),
)
