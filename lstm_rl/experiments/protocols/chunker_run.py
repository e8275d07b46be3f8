"""One run of the history compressor, or of plain BPTT or RTRL, on a task with a long lag."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lstm_rl.checks import check_choice, check_float, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

THRESHOLD = 0.2  # of a surprise
BACK = 3  # steps that errors are carried back
TASKS = ("history", "history-5", "lag-a", "lag-b")
LEARNERS = ("chunker", "bptt", "rtrl")


@dataclass(frozen=True)
class ChunkerRun:
    """Everything that a run depends on.

    Raises:
        ValueError: A setting is out of its range.
    """

    task: str = "history"
    """One of `TASKS`."""
    learner: str = "chunker"
    """One of `LEARNERS`."""
    learning_rate: float = 0.7
    """Of both networks, > 0."""
    max_sequences: int = 50_000
    """Budget >= 100, in sequences or blocks."""
    seed: int = 0
    """Of initial weights and sequences, >= 0."""

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        check_choice("learner", self.learner, LEARNERS)
        check_float("learning_rate", self.learning_rate, 0.0, open_low=True)
        check_int("seed", self.seed, 0)
        check_int("max_sequences", self.max_sequences, 100)


def run(settings: ChunkerRun, report: "Report") -> dict[str, Any]:
    """Train until success or the end of the budget, then test the automatiser alone.

    Returns:
        success; sequences before it; chunker_sequences before C's own, None without one; a_alone: whether A is still
        right with frozen weights and without C, None for other learners; largest_error in that test; steps and seconds
        of training.
    """
    import time
    from dataclasses import replace

    import numpy as np

    from lstm_rl.compiled import flushed
    from lstm_rl.experiments.protocols.history_compressor import Goal, Rules, train
    from lstm_rl.kernels.layout import make_weights
    from lstm_rl.kernels.make import make_approximator
    from lstm_rl.published import hs1997_lag_a_rtrl
    from lstm_rl.tasks import HistoryTask, LagTask, RandomLagTask, Task
    from lstm_rl.tasks.streaming import make_source

    is_stream = settings.task.startswith("history")
    if is_stream:
        task: Task = HistoryTask(5 if settings.task == "history-5" else 20)
        topology = task.topology
        rules, goal = Rules(THRESHOLD, False, 1), Goal(1_000, 0.2, True)
    else:
        task = LagTask() if settings.task == "lag-a" else RandomLagTask()
        topology = hs1997_lag_a_rtrl(task.outputs - 1)
        rules, goal = Rules(THRESHOLD, True, 0), Goal(10_000, 0.25, settings.task == "lag-b")
    rngs = [np.random.default_rng([settings.seed, k]) for k in range(3)]
    chunker: Any = None
    if settings.learner == "chunker":
        above = replace(topology, inputs=task.outputs)
        chunker = make_approximator(above, make_weights(above, rngs[1]), 1, np.float64, "bptt", BACK + 1)
        imitated = above.hidden + (above.outputs if is_stream else 0)
        topology = replace(topology, outputs=topology.outputs + imitated)
    weights = make_weights(topology, rngs[0])
    depth = BACK + 1 if settings.learner == "chunker" else task.max_length
    gradient = "rtrl" if settings.learner == "rtrl" else "bptt"
    automatiser: Any = make_approximator(topology, weights, 1, np.float64, gradient, depth)
    began = time.perf_counter()
    with flushed():
        source = make_source(task, rngs[2])
        rate, budget = settings.learning_rate, settings.max_sequences
        result = train(automatiser, chunker, source, rate, rules, goal, budget, report)
    a_alone = None if chunker is None else result.largest_error < goal.limit
    return result._asdict() | {"a_alone": a_alone, "seconds": round(time.perf_counter() - began, 2)}
