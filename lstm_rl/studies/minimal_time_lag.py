"""Which networks bridge which time lags? The flag task of 1997 (experiment 2a) with every network of `lstm_rl.nn`."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_rl.checks import check_int
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.statistics import median_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROTOCOL = """\
The noise-free long-lag task of 1997 (experiment 2a): p + 1 one-hot symbols, sequences (y, a1 .. a_(p-1), y) and
(x, a1 .. a_(p-1), x) with probability .5 each, the next symbol to be predicted, an error at every step. {runs} runs per
cell, seeds from {seed}. Success: with frozen weights all errors of all outputs are below .25 on both sequences, looked
at after every 100 training sequences, of which there are at most {budget:,}. All networks have four units or cells, are
trained as a whole from the start, and their outputs see the inputs, too (ours). Gates and cell inputs see the inputs
only, as in the paper; input-gate biases -1 .. -4, forget-gate bias 6. Topologies: plain gradient descent after every
step, alpha 1, by the truncated gradient (LSTM) or alpha 3 by the complete one (Elman nets; the better of 1, 3 and 10 on
other seeds). GRU (update-gate biases 1, 2, 4, 6) and sLSTM: Adam, learning rate .1 (the best of .03, .1 and .3 on
other seeds), batches of 16 sequences. In brackets: 95 % intervals."""

CHUNK = 100  # sequences between two looks


@dataclass(frozen=True)
class MinimalTimeLag(Options):
    """Success against time lag for every network, on the flag task (Hochreiter & Schmidhuber 1997, experiment 2a)."""

    lags: tuple[int, ...] = (4, 7, 10, 20, 50, 100)
    """p >= 2, steps between the first symbol and the one that it tells."""
    max_sequences: int = 20_000
    """Budget of a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_int("max_sequences", self.max_sequences, CHUNK)
        if not self.lags:
            raise ValueError("lags must hold at least one number, got none")
        for lag in self.lags:
            check_int("lags", lag, 2)


@dataclass(frozen=True)
class Run:
    """One run."""

    learner: str
    lag: int
    seed: int
    max_sequences: int


def run(settings: Run) -> Row:
    """Train until success or the end of the budget."""
    from lstm_rl.studies.flag_task import train

    sequences, error = train(settings.learner, settings.lag, settings.seed, settings.max_sequences, CHUNK)
    return {"sequences": sequences, "largest_error": error, "success": error < 0.25}


def study(options: MinimalTimeLag) -> Study:
    """The study that the options describe."""
    from lstm_rl.studies.flag_task import LEARNERS

    settings = [
        Run(learner, lag, seed, options.max_sequences)
        for seed in options.seeds
        for lag in options.lags
        for learner in LEARNERS
    ]
    protocol = PROTOCOL.format(runs=options.runs, seed=options.seed, budget=options.max_sequences)
    return Study("minimal-time-lag", protocol, settings, run, table, figures)


def _cells(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    """The runs of each (learner, lag), learners in their own order."""
    from lstm_rl.studies.flag_task import LEARNERS

    keys = {(row["learner"], row["lag"]): None for row in rows}
    order = sorted(keys, key=lambda key: (list(LEARNERS).index(key[0]), key[1]))
    return {key: [row for row in rows if (row["learner"], row["lag"]) == key] for key in order}


def table(rows: list[Row]) -> str:
    """A line per network, a column per lag: success, and the median number of sequences to it."""
    cells = _cells(rows)
    lags = sorted({lag for _, lag in cells})
    lines = [f"| network | {' | '.join(f'p = {lag}' for lag in lags)} |", "|---|" + "---|" * len(lags)]
    for learner in dict.fromkeys(learner for learner, _ in cells):
        parts = [learner]
        for lag in lags:
            runs = cells[learner, lag]
            good = [run["sequences"] for run in runs if run["success"]]
            parts.append(success_text(len(good), len(runs)) + (f"; {median_text(good)}" if good else ""))
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """Success against lag."""
    from lstm_rl.studies.figures import success_matrix

    shares = {key: sum(run["success"] for run in runs) / len(runs) for key, runs in _cells(rows).items()}
    return {"success": success_matrix(shares, "time lag p", "successful runs, %")}
