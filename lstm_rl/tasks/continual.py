"""A task's sequences as streams: one after the other without a reset, until the first wrong answer, compiled.

In a stream the learning rate may fall, by a factor after each answer, and the network may be put to rest where a
sequence begins, which is help from outside: finding out where that is belongs to the continual tasks.

Source: Gers, Schmidhuber & Cummins, Learning to forget, Neural Computation 12 (2000).
"""

from typing import Any, NamedTuple

from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.approximator import Update, advance, forward, learn_step, reset
from lstm_rl.kernels.supervised import largest_error, loss_gradient, one_hot_row
from lstm_rl.tasks.streaming import Source, next_sequence


class StreamRules(NamedTuple):
    """When a stream ends, and what happens in it."""

    answers: int  # right ones after which it ends
    tests: int  # test streams after each training stream
    tolerance: float  # an answer is wrong if an output is off by this or more
    rate_decay: float  # of the learning rate after each answer, in (0, 1]
    external_reset: bool
    power: float  # of the errors in the loss, see `supervised.loss_gradient`
    test_answers: int  # right ones after which a test stream ends
    whole: bool  # an answer is a whole sequence, else a step with a target
    judged: int  # outputs, the first ones, that decide whether an answer is right


@kernel
def rules_of_tests(rules: StreamRules, answers: int) -> StreamRules:
    """The same for tests, which end after so many right answers."""
    return StreamRules(
        answers,
        rules.tests,
        rules.tolerance,
        rules.rate_decay,
        rules.external_reset,
        rules.power,
        answers,
        rules.whole,
        rules.judged,
    )


@kernel
def follow_stream(approximator: Any, source: Source, update: Update, rules: StreamRules) -> tuple[int, int, float]:
    """One stream from rest, learned if there is a learning rate.

    The wrong answer that ends a stream is learned, too.

    Returns:
        Right answers before it ended, steps, and the mean squared error of all outputs with a target.
    """
    right, steps, length, rate, errors = 0, 0, source.x.shape[0], update.learning_rate, source.errors
    squares, told = 0.0, 0
    reset(approximator, 0)
    while True:
        length = next_sequence(source, length)
        if rules.external_reset:
            reset(approximator, 0)
        for t in range(length):
            one_hot_row(source.x, t, source.row)
            forward(approximator, 0, source.row)
            steps += 1
            if source.has_target[t]:
                for k in range(errors.shape[0]):
                    errors[k] = source.targets[t, k] - approximator.outputs[0, k]
                    squares += errors[k] * errors[k]
                told += errors.shape[0]
                is_right = largest_error(errors, 0, rules.judged) < rules.tolerance
                if rate > 0.0:
                    for k in range(errors.shape[0]):
                        errors[k] = loss_gradient(errors[k], rules.power)
                    learn_step(approximator, 0, errors, Update(update.optimizer, rate, update.error))
                    rate *= rules.rate_decay
                right += 1 if is_right and (t == length - 1 or not rules.whole) else 0
                if not is_right or right == rules.answers:
                    return right, steps, squares / told
            elif rate > 0.0:
                advance(approximator, 0)


@compiled
def run_stream(approximator: Any, source: Source, update: Update, rules: StreamRules) -> tuple[int, int, float]:
    """`follow_stream` for Python.

    Args:
        approximator: See `lstm_rl.kernels.approximator`; its stream 0 is used.
        source: Where sequences come from.
        update: How weights change, with error 1; learning rate 0: nothing is learned.
        rules: When it ends.
    """
    right, steps, mse = follow_stream(approximator, source, update, rules)
    return right, steps, mse


@compiled
def learn_streams(
    approximator: Any,
    source: Source,
    tests: Source,
    update: Update,
    rules: StreamRules,
    streams: int,
    max_steps: int,
) -> tuple[int, int, int, bool]:
    """Training streams, each followed by test streams until one of these fails, or all come to their end.

    Args:
        approximator: As in `run_stream`.
        source: Of training streams.
        tests: Of test streams, which are not learned.
        update: As in `run_stream`.
        rules: For all streams.
        streams: Training streams at most.
        max_steps: After these no new training stream begins.

    Returns:
        Training streams, steps in them and in tests, most right answers in a test stream, and whether all came to
        their end.
    """
    done, steps, longest, passed = 0, 0, 0, -1  # test streams passed; -1: a training stream is next
    frozen, testing = Update(update.optimizer, 0.0, update.error), rules_of_tests(rules, rules.test_answers)
    while passed < rules.tests and (passed >= 0 or (done < streams and steps < max_steps)):
        training = passed < 0
        of = source if training else tests
        right, more, _ = follow_stream(approximator, of, update if training else frozen, rules if training else testing)
        steps += more
        if training:
            done, passed = done + 1, 0
        else:
            longest = max(longest, right)
            passed = passed + 1 if right == rules.test_answers else -1
    return done, steps, longest, passed == rules.tests
