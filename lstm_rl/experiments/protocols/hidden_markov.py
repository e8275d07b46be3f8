"""A hidden Markov model on the symbolic tasks of 1997: the other sequence learner, and where it must fail.

A model of S states is trained by expectation maximisation (hmmlearn's `CategoricalHMM`) on whole strings of symbols,
answers included, and then predicts each next symbol from those before it. What it remembers is one of S states:

lag-a, -b   Two states that are never left would do to keep the first symbol's bit. To say when the last symbol comes,
            as the networks do, takes a countdown besides: 2 (p + 1) states.
order-3     22 states, in three stages that are left upon X or Y only.
reber       30 states: the inner grammar twice, once for each outer symbol.

So enough states are a matter of tens. But a model in which every state may follow every other forgets its state at a
rate that its transition probabilities set, and credit for a late answer diffuses on its way back at the same rate
(Bengio & Frasconi, "Diffusion of context and credit information in Markovian models", JAIR 3, 1995). What EM finds
instead is a countdown that is likelier than the bit.

Dimensions: N strings of at most T symbols out of V, S states.
"""

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_int, needs_extra

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

SYMBOLS, STRINGS = 5_000, 1_000  # training: at most so many
TEST_STRINGS = 256
STARTS, ITERATIONS, GAIN = 3, 50, 0.1  # of EM; it stops once log likelihood grows by less
MARGIN = 3.0  # probability .75 of two answers
PRIOR = 1e-6  # pseudo-count: else a state that is only ever last has no transitions, which hmmlearn refuses

TASKS = ("hs1997-reber", "hs1997-lag-a", "hs1997-lag-b", "hs1997-temporal-order-3")


@dataclass(frozen=True, kw_only=True)
class MarkovRun:
    """Everything that a run depends on."""

    task: str
    """One of `TASKS`."""
    lag: int = 0
    """p of hs1997-lag-a and -b, >= 2; 0 of the others."""
    states: int
    """S >= 1."""
    seed: int = 0

    def __post_init__(self) -> None:
        check_choice("task", self.task, TASKS)
        check_int("lag", self.lag, 2 if "lag" in self.task else 0)
        check_int("states", self.states, 1)


class Strings(NamedTuple):
    """Strings of symbols, and which predictions of them count as right."""

    symbols: NDArray[np.int64]  # (N, T), after a string's end -1
    right: NDArray[np.bool_]  # (N, T, V) symbols that are right there
    wrong: NDArray[np.bool_]  # (N, T, V) symbols that must be less probable, nothing where any prediction will do


class Model(NamedTuple):
    """A hidden Markov model's probabilities."""

    start: NDArray[np.float64]  # (S,)
    transitions: NDArray[np.float64]  # (S, S), rows from, columns to
    emissions: NDArray[np.float64]  # (S, V)


def draw(task: str, lag: int, count: int, rng: np.random.Generator) -> Strings:
    """Draw strings.

    Args:
        task: hs1997-reber, hs1997-lag-a, hs1997-lag-b or hs1997-temporal-order-3.
        lag: p >= 2 of hs1997-lag-a and -b, 0 otherwise.
        count: N >= 1.
        rng: Where its randomness comes from.
    """
    from lstm_rl.tasks.names import make_task
    from lstm_rl.tasks.reber import ReberTask

    made = make_task(task, **({"p": lag} if lag else {}))
    batch = made.batch(count, rng)
    each, first = np.arange(count), 0 if made.outputs == made.inputs else made.inputs  # outputs' first symbol
    symbols = np.full((count, made.max_length + 1), -1)
    inside = np.arange(len(batch.x)) < batch.lengths[:, None]  # (N, T - 1)
    symbols[:, : len(batch.x)] = np.where(inside, batch.x.argmax(2).T, -1)
    answers = first + batch.targets[batch.lengths - 1, each].argmax(1)
    symbols[each, batch.lengths] = answers
    right = np.zeros((*symbols.shape, first + made.outputs), np.bool_)
    wrong = right.copy()
    if isinstance(made, ReberTask):
        _, right[:, 1:], _ = made.legal(symbols)
        wrong[:] = ~right & right.any(2, keepdims=True)
    else:
        wrong[each, batch.lengths] = np.arange(right.shape[2]) >= (first or made.inputs - 2)
        wrong[each, batch.lengths, answers] = False
        right[each, batch.lengths, answers] = True
    return Strings(symbols, right, wrong)


def predict(model: Model, symbols: NDArray[np.int64]) -> NDArray[np.float64]:
    """Probability of each symbol given those before it, by forward filtering.

    Args:
        model: Of V symbols.
        symbols: (N, T), 0 .. V - 1, after a string's end -1.

    Returns:
        (N, T, V); without meaning after a string's end.
    """
    found = np.empty((*symbols.shape, model.emissions.shape[1]))
    belief = np.tile(model.start, (len(symbols), 1))  # (N, S) of the state at t, given symbols before t
    for t in range(symbols.shape[1]):
        found[:, t] = belief @ model.emissions
        seen = belief * model.emissions[:, symbols[:, t]].T
        belief = seen / seen.sum(1, keepdims=True) @ model.transitions
    return found


def right_strings(probabilities: NDArray[np.float64], strings: Strings, margin: float) -> NDArray[np.bool_]:
    """Which strings (N,) have all right symbols more than ``margin`` times as probable as each wrong one."""
    least = np.where(strings.right, probabilities, np.inf).min(2)
    most = np.where(strings.wrong, probabilities, -np.inf).max(2)
    return np.asarray((least > margin * most).all(1))


def likelihood(probabilities: NDArray[np.float64], symbols: NDArray[np.int64]) -> float:
    """Mean log probability of a symbol, in nats."""
    of = np.take_along_axis(probabilities, np.maximum(symbols, 0)[..., None], 2)[..., 0]
    return float(np.log(of[symbols >= 0]).mean())


def load_hmmlearn() -> Any:
    """Return `hmmlearn.hmm.CategoricalHMM`, without its messages on models of more parameters than data.

    Raises:
        ValueError: hmmlearn is missing.
    """
    try:
        from hmmlearn.hmm import CategoricalHMM
    except ImportError:
        raise ValueError(needs_extra("hmm", "hmmlearn", "hmm")) from None
    logging.getLogger("hmmlearn").setLevel(logging.ERROR)
    return CategoricalHMM


def train(symbols: NDArray[np.int64], kinds: int, states: int, rng: np.random.Generator) -> Model:
    """Fit a model by EM, the likeliest of several starts.

    Args:
        symbols: (N, T), after a string's end -1.
        kinds: V.
        states: S >= 1.
        rng: Where the starts come from.

    Raises:
        ValueError: hmmlearn is missing.
    """
    make = load_hmmlearn()
    lengths = (symbols >= 0).sum(1)
    column, fitted = symbols[symbols >= 0][:, None], []
    for start in rng.integers(2**31, size=STARTS):
        model = make(
            states,
            n_features=kinds,
            transmat_prior=1.0 + PRIOR,
            emissionprob_prior=1.0 + PRIOR,
            n_iter=ITERATIONS,
            tol=GAIN,
            random_state=int(start),
            implementation="scaling",  # of probabilities, ten times as fast as their logarithms
        )
        model.fit(column, lengths)
        fitted.append((model.score(column, lengths), model))
    best = max(fitted, key=lambda pair: pair[0])[1]
    return Model(best.startprob_, best.transmat_, best.emissionprob_)


def run(settings: MarkovRun, report: "Report") -> dict[str, Any]:
    """Train and test one model.

    Returns:
        success: whether all test strings are right; share_right of them; log_likelihood of a symbol; seconds.
    """
    begun = time.perf_counter()
    rngs = [np.random.default_rng([settings.seed, k]) for k in range(3)]
    strings = draw(settings.task, settings.lag, STRINGS, rngs[0])
    within = np.cumsum((strings.symbols >= 0).sum(1)) <= SYMBOLS
    model = train(strings.symbols[within], strings.right.shape[2], settings.states, rngs[1])
    seconds = time.perf_counter() - begun
    fresh = draw(settings.task, settings.lag, TEST_STRINGS, rngs[2])
    probabilities = predict(model, fresh.symbols)
    right = right_strings(probabilities, fresh, 1.0 if settings.task == "hs1997-reber" else MARGIN)
    return {
        "success": bool(right.all()),
        "share_right": float(right.mean()),
        "log_likelihood": likelihood(probabilities, fresh.symbols),
        "seconds": seconds,
    }
