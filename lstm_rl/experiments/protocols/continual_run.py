"""Train on streams: after each the network is tested on others, until these come to their end without a wrong answer.

In the place of training, all weights may be guessed anew in each trial (`network_guessing`).
"""

import time
from typing import Any

import numpy as np

from lstm_rl.compiled import compiled, flushed
from lstm_rl.experiments.engine import Report
from lstm_rl.experiments.protocols.network_guessing import draw_weights
from lstm_rl.experiments.protocols.sequence_learner import make_learner, make_update
from lstm_rl.experiments.protocols.sequence_run import SequenceRun, check, parse_settings
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.kernels.approximator import Sgd, Update
from lstm_rl.kernels.callback import CallbackApproximator, reraising
from lstm_rl.tasks.continual import StreamRules, follow_stream, learn_streams, rules_of_tests, run_stream
from lstm_rl.tasks.names import make_task
from lstm_rl.tasks.streaming import Source, make_source
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Topology

STREAMS_PER_REPORT = 1000
STEPS_PER_REPORT = 1_000_000
TORCH_STEPS_PER_REPORT = 1000


def make_rules(run: SequenceRun, task: Task) -> StreamRules:
    """The rules of a task's streams, of which one sequence after the other is drawn."""
    protocol = task.protocol
    assert protocol.stream is not None
    decay, power = run.learning_rate_decay or 1.0, float(run.loss) if isinstance(run.loss, int | float) else 2.0
    answers, tests, _, test_answers, _, whole, reset = protocol.stream
    external_reset = reset if run.external_reset is None else run.external_reset
    test_answers = test_answers or answers
    return StreamRules(
        answers, tests, protocol.tolerance, decay, external_reset, power, test_answers, whole, task.judged
    )


def learn(run: SequenceRun, report: Report) -> dict[str, Any]:
    """Train, or guess, until all test streams come to their end or the budget is used up, then test once more.

    Args:
        run: Task, network and how it learns.
        report: Is told the number of training streams, or trials, so far, now and then.

    Returns:
        success; sequences: training streams, or trials; first: None; longest: most right answers of a test stream
        during training; length: right answers of the fresh test streams at the end, mean, or of the free
        run, where there is one; mse: mean squared error in them; steps and seconds of
        training, tests included.

    Raises:
        ValueError: The task cannot be learned so.
    """
    return trained(run, report)[2]


def trained(run: SequenceRun, report: Report) -> tuple[Any, Task, dict[str, Any]]:
    """`learn` with the network that came out, and the task of single sequences."""
    check(run)
    run = run.resolved()
    task = make_task(run.task, **(parse_settings(run.settings) | {"strings": 1}))
    rngs = [np.random.default_rng([run.seed, k]) for k in range(4)]
    learner, rules = make_learner(run, task, rngs[0]), make_rules(run, task)
    sources, update = (make_source(task, rngs[1]), make_source(task, rngs[2])), make_update(run)
    guesses, mask = run.gradient == "guess", np.zeros((0, 0), np.bool_)
    if guesses:
        topology = make_network(task, str(run.network), run.units, run.initial_range)
        assert isinstance(topology, Topology)
        mask = topology.mask
    generator: Any = rngs[0].integers(2**64, size=1, dtype=np.uint64)
    assert task.protocol.stream is not None
    budget, in_torch = int(run.max_sequences or 0), isinstance(learner, CallbackApproximator)
    max_steps = TORCH_STEPS_PER_REPORT if in_torch else STEPS_PER_REPORT
    streams, steps, longest, success, since = 0, 0, 0, False, 0  # training streams when the weights were fresh
    began = time.perf_counter()
    with flushed():
        while not success and streams < budget and steps < task.protocol.stream.max_steps:
            if run.restart and streams - since >= run.restart:
                learner, since = make_learner(run, task, rngs[0]), streams
            count = min(STREAMS_PER_REPORT, budget - streams, since + (run.restart or budget) - streams)
            with reraising(learner):
                if guesses:
                    done, more, most, success = _guess(learner, mask, generator, sources[1], rules, count, max_steps)
                else:
                    done, more, most, success = learn_streams(learner, *sources, update, rules, count, max_steps)
            streams, steps, longest = streams + done, steps + more, max(longest, most)
            report(streams)
        seconds = time.perf_counter() - began
        fresh = make_source(task, rngs[3])
        with reraising(learner):
            free_run = task.protocol.stream.free_run
            count, last = (1, free_run) if free_run else (rules.tests, rules.test_answers)
            frozen, last_rules = update._replace(learning_rate=0.0), rules._replace(answers=last)
            tested = [run_stream(learner, fresh, frozen, last_rules) for _ in range(count)]
    lengths, _, squares = np.mean(tested, axis=0)
    result: dict[str, Any] = {"success": success, "sequences": streams, "first": None, "longest": longest}
    result |= {"length": float(lengths), "mse": float(f"{squares:.4g}"), "steps": steps, "seconds": round(seconds, 2)}
    return learner, task, result


@compiled
def _guess(
    approximator: Any, mask: Any, generator: Any, tests: Source, rules: StreamRules, trials: int, max_steps: int
) -> tuple[int, int, int, bool]:
    """`learn_streams` with guessed weights in the place of a training stream."""
    done, steps, longest, passed, frozen = 0, 0, 0, 0, Update(Sgd(), 0.0, 1.0)
    testing = rules_of_tests(rules, rules.test_answers)
    while done < trials and steps < max_steps and passed < rules.tests:
        draw_weights(approximator, mask, generator)
        done, passed = done + 1, 0
        while passed < rules.tests:
            right, more, _ = follow_stream(approximator, tests, frozen, testing)
            steps, longest = steps + more, max(longest, right)
            if right < rules.test_answers:
                break
            passed += 1
    return done, steps, longest, passed == rules.tests
