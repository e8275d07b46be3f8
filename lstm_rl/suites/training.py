"""One run of a sequence task: a network learns sequence after sequence until its task's protocol is satisfied."""

import time
from collections.abc import Callable

import numpy as np

from lstm_rl.compiled import flushed
from lstm_rl.kernels.approximator import RmsProp, Sgd, Update
from lstm_rl.studies.engine import Row
from lstm_rl.suites.judges import make_judge
from lstm_rl.suites.learner import (
    PIECE,
    RMS_DECAY,
    Learner,
    averaged,
    check_learner,
    follow,
    grown,
    learn,
    links_alone,
    make_approximator,
)
from lstm_rl.tasks.streaming import Found, make_found
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Topology


def train(task: Task, learner: Learner, seed: int, max_sequences: int, report: Callable[[int], None]) -> Row:
    """Train from fresh weights until the criteria are met or the budget is used up, then test.

    Args:
        task: What.
        learner: Who; its learning rate stands in the place of the protocol's.
        seed: Of initial weights, training and test sequences.
        max_sequences: Budget.
        report: Is told the number of sequences so far, now and then.

    Returns:
        success; sequences to the last criterion, first to the first one; wrong of tested fresh sequences with their
        mean error (largest absolute error of an output) and mean squared error; steps and seconds of training. For the
        embedded Reber grammar what is tested is all strings of both sets.

    Raises:
        ValueError: The task cannot be learned so.
    """
    check_learner(learner, task)
    protocol, rngs = task.protocol, [np.random.default_rng([seed, k]) for k in range(4)]
    judge = make_judge(task, rngs[2])
    source = judge.source(task, rngs[1])
    approximator = make_approximator(learner, rngs[0], task)
    growing = False
    if protocol.grows and isinstance(learner.network, Topology) and learner.network.cells > 0:
        growing = True
        approximator = make_approximator(learner._replace(network=links_alone(learner.network)), rngs[0], task)
    judged = averaged(approximator, learner.average)
    decay = RMS_DECAY if learner.rms_decay is None else learner.rms_decay
    optimizer = RmsProp(decay) if learner.descent == "rms" else Sgd()
    update, found = Update(optimizer, learner.alpha, 1.0), make_found(protocol.every)
    pieces = [Found._make(values[n : n + PIECE] for values in found) for n in range(0, protocol.every, PIECE)]
    sequences, steps, before = 0, 0, np.inf
    met: list[int] = []  # sequences at which each criterion was met
    began = time.perf_counter()
    with flushed():
        while len(met) < len(protocol.criteria) and sequences + protocol.every <= max_sequences:
            for piece in pieces:
                learn(approximator, source, update, protocol.each_step, piece, learner.loss)
                if learner.average:
                    follow(judged, approximator, PIECE / learner.average)
            sequences, steps = sequences + protocol.every, steps + int(found.lengths.sum())
            error = float(found.squares.mean())
            if not np.isfinite(error):
                break  # the weights have run away
            if growing and error > 0.99 * before:
                approximator, growing = grown(approximator, learner, rngs[0], task), False
                judged = averaged(approximator, learner.average)
            before = error
            judge.see(found)
            while len(met) < len(protocol.criteria) and judge.satisfied(judged, protocol.criteria[len(met)]):
                met.append(sequences - (0 if protocol.window_counts else protocol.criteria[0].sequences))
            report(sequences)
        seconds = time.perf_counter() - began
        success = len(met) == len(protocol.criteria)
        result: Row = {"success": success, "sequences": met[-1] if success else sequences, "first": (*met, None)[0]}
        result |= judge.result(judged, rngs[3])
    return result | {"steps": steps, "seconds": round(seconds, 2)}
