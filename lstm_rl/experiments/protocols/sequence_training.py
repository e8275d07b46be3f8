"""Train on a sequence task: one sequence after the other until the criteria of its protocol are met."""

import time
from typing import Any

import numpy as np

from lstm_rl.compiled import flushed
from lstm_rl.experiments.engine import Report
from lstm_rl.experiments.protocols import sequence_learner
from lstm_rl.experiments.protocols.sequence_run import AVERAGING_STEP, SequenceRun, check
from lstm_rl.experiments.protocols.stopping_rules import make_rule
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.tasks.streaming import SequenceErrors, make_errors
from lstm_rl.topology import Topology


def train(run: SequenceRun, report: Report) -> dict[str, Any]:
    """Train from fresh weights until the criteria are met or the budget is used up, then test.

    Args:
        run: Task, network and how it learns.
        report: Is told the number of sequences so far, now and then.

    Returns:
        success; sequences to the last criterion, first to the first one; wrong of tested fresh sequences with their
        mean error (largest absolute error of an output) and mean squared error; steps and seconds of training. For the
        embedded Reber grammar what is tested is all strings of both sets.

    Raises:
        ValueError: The task cannot be learned so.
    """
    check(run)
    run, task = run.resolved(), run.make_task()
    protocol, rngs = task.protocol, [np.random.default_rng([run.seed, k]) for k in range(4)]
    rule = make_rule(task, rngs[2])
    source = rule.source(task, rngs[1])
    learner = sequence_learner.make_learner(run, task, rngs[0])
    network = make_network(task, str(run.network), run.units, run.initial_range)
    grows = protocol.grows and isinstance(network, Topology) and network.cells > 0
    if grows:
        learner = sequence_learner.make_learner(run, task, rngs[0], without_cells=True)
    tested = sequence_learner.ema_copy(learner) if run.average else learner
    update, seen = sequence_learner.make_update(run), make_errors(protocol.every)
    each_step = protocol.each_step or run.optimizer == "kalman"
    starts = range(0, protocol.every, AVERAGING_STEP)
    parts = [SequenceErrors._make(values[n : n + AVERAGING_STEP] for values in seen) for n in starts]
    sequences, steps, before = 0, 0, np.inf
    met: list[int] = []  # sequences at which each criterion was met
    began = time.perf_counter()
    with flushed():
        while len(met) < len(protocol.criteria) and sequences + protocol.every <= int(run.max_sequences or 0):
            for part in parts:
                sequence_learner.learn(learner, source, update, each_step, part, run.loss)
                if run.average:
                    sequence_learner.update_ema(tested, learner, AVERAGING_STEP / run.average)
            sequences, steps = sequences + protocol.every, steps + int(seen.lengths.sum())
            error = float(seen.squares.mean())
            if not np.isfinite(error):
                break  # the weights are no longer finite
            if grows and error > 0.99 * before:
                learner, grows = sequence_learner.add_cells(learner, run, task, rngs[0]), False
                tested = sequence_learner.ema_copy(learner) if run.average else learner
            before = error
            rule.add(seen)
            while len(met) < len(protocol.criteria) and rule.satisfied(tested, protocol.criteria[len(met)]):
                met.append(sequences - (0 if protocol.window_counts else protocol.criteria[0].sequences))
            report(sequences)
        seconds = time.perf_counter() - began
        success = len(met) == len(protocol.criteria)
        result = {"success": success, "sequences": met[-1] if success else sequences, "first": (*met, None)[0]}
        result |= rule.result(tested, rngs[3])
    return result | {"steps": steps, "seconds": round(seconds, 2)}
