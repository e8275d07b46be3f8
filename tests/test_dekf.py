"""The decoupled extended Kalman filter: its equations in NumPy, its closed form, and that it learns."""

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from lstm_rl.compiled import compiled
from lstm_rl.kernels.approximator import Sgd, Update, accumulate_gradient, forward, reset, update_weights
from lstm_rl.kernels.kalman import Dekf, KalmanTrainer, make_dekf, train
from lstm_rl.kernels.layout import Weights
from lstm_rl.kernels.make import make_approximator
from lstm_rl.nn import loop
from lstm_rl.published import PUBLISHED
from lstm_rl.topology import Topology

Array = NDArray[Any]

RANGES: Any = {"input_range": 1.0, "recurrent_range": 0.7, "output_range": 0.8, "bias_range": 0.5}
TOPOLOGIES = {
    "forget gates, peepholes, blocks of two cells, hidden units, squashed outputs": Topology(
        3, 3, hidden=2, blocks=(2, 2), peepholes=True, output_activation="symmetric2", **RANGES
    ),
    "1997, one output": Topology(2, 1, blocks=(1, 2), forget_gate=False, outputs_see=("input", "cells"), **RANGES),
}
T = 30
COVARIANCE = 2.0
ANBN = PUBLISHED["gers2001-anbn"]


def new_weights(topology: Topology, seed: int = 0) -> Weights:
    hidden, output = topology.initial_weights(np.random.default_rng(seed))
    return Weights(hidden, output, np.zeros_like(hidden), np.zeros_like(output))


def sequence(topology: Topology, steps: int = T) -> tuple[Array, Array, Array, Array, Array]:
    """Inputs, targets, steps with a target, r and q."""
    rng = np.random.default_rng(3)
    x, target = (rng.normal(size=(steps, size)) for size in (topology.inputs, topology.outputs))
    return x, target, rng.random(steps) < 0.7, np.geomspace(2.0, 0.5, steps), np.geomspace(1e-2, 1e-4, steps)


def filtered(topology: Topology, *data: Array, covariance: float = COVARIANCE) -> tuple[Dekf, Array]:
    dekf, (x, target, mask, r, q) = make_dekf(topology, new_weights(topology), covariance), data
    errors = np.zeros(target.shape)
    train(dekf, x, target, mask, r, q, errors)
    return dekf, errors


# --- equations -------------------------------------------------------------------------------------------------------


def kalman_step(groups: list[tuple[Array, Array, Array]], error: Array, r: float, q: float) -> None:
    """The filter as printed: groups of weights w (n,), covariance P (n, n), H (n, K); w and P move in place."""
    a = np.linalg.inv(r * np.eye(len(error)) + sum(h.T @ p @ h for _, p, h in groups))
    for w, p, h in groups:
        gain = p @ h @ a
        w += gain @ error
        p += -gain @ h.T @ p + q * np.eye(len(w))


def by_numpy(topology: Topology, x: Array, target: Array, mask: Array, r: Array, q: Array) -> tuple[Any, ...]:
    """The same with Torch's truncated gradient; return weights, covariances of all groups, and errors.

    Weights are a leaf plus what the filter has added: so the gradient of a step holds earlier steps as they were.
    """
    start = new_weights(topology)
    exists = [topology.mask[:, j] for j in range(topology.units)]
    columns = [start.hidden[there, j] for j, there in enumerate(exists)] + list(start.output.T.copy())
    covariances = [COVARIANCE * np.eye(len(w)) for w in columns]
    leaves = [torch.tensor(w, requires_grad=True) for w in (start.hidden, start.output)]
    hidden, output = start.hidden.copy(), start.output.copy()
    state = loop.LstmState(
        *(torch.zeros(1, size).double() for size in (topology.units, topology.cells, topology.cells))
    )
    errors = np.zeros_like(target)
    for t in range(len(x)):
        w, w_out = (
            leaf + torch.tensor(now - was)
            for leaf, now, was in zip(leaves, (hidden, output), (start.hidden, start.output), strict=True)
        )
        y, state = loop.step(topology, w, w_out, torch.tensor(x[t : t + 1]), state, truncated=True)
        if not mask[t]:
            continue
        errors[t] = target[t] - y[0].detach().numpy()
        gradients = [torch.autograd.grad(y_k, leaves, retain_graph=True) for y_k in y[0]]
        d_hidden, d_output = (torch.stack(each, dim=-1).numpy() for each in zip(*gradients, strict=True))  # (.., .., K)
        derivatives = [d_hidden[there, j] for j, there in enumerate(exists)] + list(d_output.transpose(1, 0, 2))
        kalman_step(list(zip(columns, covariances, derivatives, strict=True)), errors[t], r[t], q[t])
        for j, there in enumerate(exists):
            hidden[there, j] = columns[j]
        output = np.array(columns[topology.units :]).T
    return hidden, output, covariances, errors


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_the_filter_equals_its_equations_in_numpy(name: str) -> None:
    topology = TOPOLOGIES[name]
    data = sequence(topology)
    dekf, errors = filtered(topology, *data)
    hidden, output, covariances, expected = by_numpy(topology, *data)
    np.testing.assert_allclose(errors, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose(dekf.weights.hidden, hidden, rtol=0, atol=1e-9)
    np.testing.assert_allclose(dekf.weights.output, output, rtol=0, atol=1e-9)
    for j in range(topology.units):
        there = topology.mask[:, j]
        np.testing.assert_allclose(dekf.covariance[j][np.ix_(there, there)], covariances[j], rtol=0, atol=1e-9)
    np.testing.assert_allclose(dekf.output_covariance, covariances[topology.units :], rtol=0, atol=1e-9)
    moved = np.abs(hidden - new_weights(topology).hidden)
    assert moved[topology.mask].max() > 0.1  # the comparison is not one of zeros


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_covariances_stay_symmetric_and_positive(name: str) -> None:
    topology = TOPOLOGIES[name]
    dekf, _ = filtered(topology, *sequence(topology, 2000), covariance=100.0)
    for p, there in [*zip(dekf.covariance, topology.mask.T, strict=True), *((p, ...) for p in dekf.output_covariance)]:
        assert (p == p.T).all()
        p = p[there] if there is ... else p[np.ix_(there, there)]
        assert np.linalg.eigvalsh(p).min() > 0.0


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_weights_that_do_not_exist_stay_0(name: str) -> None:
    topology = TOPOLOGIES[name]
    dekf, _ = filtered(topology, *sequence(topology))
    absent = ~topology.mask
    assert absent.any() == topology.peepholes  # of one block's gates, by the other's cells
    assert not dekf.weights.hidden[absent].any()
    assert not dekf.covariance[absent.T].any() and not dekf.covariance.transpose(0, 2, 1)[absent.T].any()


def test_a_linear_layer_is_least_squares() -> None:
    """Outputs that see the inputs only: the filter's weights minimise |d - W u|^2 / r + |W - W(0)|^2 / P(0)."""
    topology = Topology(3, 2, blocks=(1,), outputs_see=("input",), **RANGES)
    x, target, mask, _, _ = sequence(topology, 50)
    start, r = new_weights(topology), 0.3
    dekf, _ = filtered(topology, x, target, mask, np.full(50, r), np.zeros(50))
    u, d = np.hstack([x, np.ones((50, 1))])[mask], target[mask]
    information = u.T @ u / r + np.eye(4) / COVARIANCE
    expected = start.output + np.linalg.solve(information, u.T @ (d - u @ start.output) / r)
    np.testing.assert_allclose(dekf.weights.output, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(dekf.output_covariance, [np.linalg.inv(information)] * 2, rtol=0, atol=1e-12)
    assert (dekf.weights.hidden == start.hidden).all()


# --- learning --------------------------------------------------------------------------------------------------------


def string(n: int) -> tuple[Array, Array]:
    """S a^n b^n and its legal successors, symbols S and T (one unit), a, b: (T, 3) of +1 and -1."""
    symbols = [0] + n * [1] + n * [2]
    legal = [(0, 1)] + n * [(1, 2)] + (n - 1) * [(2,)] + [(0,)]
    x, target = -np.ones((2, len(symbols), 3))
    for t, (symbol, successors) in enumerate(zip(symbols, legal, strict=True)):
        x[t, symbol] = 1.0
        target[t, list(successors)] = 1.0
    return x, target


@compiled
def _descend(approximator: Any, x: Any, target: Any, alpha: float, errors: Any) -> None:
    """Plain gradient descent, as Gers & Schmidhuber (2001) do it but for momentum: a step at each symbol."""
    reset(approximator, 0)
    for t in range(x.shape[0]):
        forward(approximator, 0, x[t])
        for k in range(target.shape[1]):
            errors[t, k] = target[t, k] - approximator.outputs[0, k]
        accumulate_gradient(approximator, 0, errors[t])
        update_weights(approximator, 0, Update(Sgd(), alpha, 1.0), 0.0)


def strings_until_solved(learn: Any, seed: int) -> int:
    """Strings, n <= 5, until 30 in a row are accepted: every unit on the right side of 0 at every step."""
    rng, right = np.random.default_rng(seed), 0
    for count in range(1, 2001):
        right = right + 1 if np.all(np.abs(learn(*string(int(rng.integers(1, 6))))) < 1.0) else 0
        if right == 30:
            return count
    return 2000


def descend_until_solved(seed: int, alpha: float) -> int:
    approximator = make_approximator(ANBN, new_weights(ANBN, seed), 1, np.float64)

    def learn(x: Array, target: Array) -> Array:
        errors = np.zeros_like(target)
        _descend(approximator, x, target, alpha, errors)
        return errors

    return strings_until_solved(learn, seed)


def test_it_learns_in_a_third_of_the_strings_of_gradient_descent() -> None:
    seeds = range(4)
    kalman = [strings_until_solved(KalmanTrainer(ANBN, seed).train_sequence, seed) for seed in seeds]
    descent = {alpha: [descend_until_solved(seed, alpha) for seed in seeds] for alpha in (0.02, 0.05, 0.1)}
    assert max(kalman) < 120
    assert all(3 * max(kalman) < min(counts) for counts in descent.values())
    assert max(descent[0.05]) < 2000  # descent learns it, too


def test_a_trainer_generalises_and_outputs_learn_nothing() -> None:
    trainer = KalmanTrainer(ANBN, seed=0)
    rng = np.random.default_rng(0)
    for _ in range(300):
        trainer.train_sequence(*string(int(rng.integers(1, 6))))
    before = trainer.weights.hidden.copy()
    for n in range(1, 9):  # trained on n <= 5
        x, target = string(n)
        outputs = trainer.outputs(x)
        assert outputs.shape == target.shape and (outputs * target > 0.0).all()
        assert (trainer.outputs(x) == outputs).all()
    assert (trainer.weights.hidden == before).all()


# --- the trainer -----------------------------------------------------------------------------------------------------


def test_noises_are_annealed_geometrically_over_steps_with_a_target() -> None:
    topology = TOPOLOGIES["1997, one output"]
    x, target, mask, _, _ = sequence(topology)
    target[~mask] = np.nan  # never looked at
    settings: Any = {"measurement_noise": (8.0, 2.0), "process_noise": (1e-2, 1e-4), "covariance": COVARIANCE}
    trainer = KalmanTrainer(topology, 0, anneal_steps=10, **settings)
    errors = trainer.train_sequence(x, target, mask)
    done = np.minimum((np.cumsum(mask) - mask) / 10, 1.0)
    dekf, expected = filtered(topology, x, target, mask, 8.0 * 0.25**done, 1e-2 * 0.01**done)
    np.testing.assert_allclose(errors, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(trainer.weights.hidden, dekf.weights.hidden, rtol=0, atol=1e-12)
    assert (errors[~mask] == 0.0).all() and (errors[mask] != 0.0).all()
    assert trainer.steps == mask.sum()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"measurement_noise": (0.0, 1.0)}, r"^measurement_noise must be a number in \(0, inf\), got 0.0"),
        ({"process_noise": (1e-2,)}, r"^process_noise must be two numbers, at first and at last, got \(0.01,\)"),
        ({"covariance": -1.0}, r"^covariance must be a number in \(0, inf\), got -1.0"),
        ({"anneal_steps": 0}, "^anneal_steps must be an integer >= 1, got 0"),
    ],
)
def test_a_bad_setting_is_named(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        KalmanTrainer(ANBN, 0, **arguments)


def test_bad_sequences_are_named() -> None:
    trainer = KalmanTrainer(ANBN, 0)
    x, target = string(2)
    with pytest.raises(ValueError, match=r"^x must have shape \(T, 3\), got \(5, 2\)"):
        trainer.outputs(x[:, :2])
    with pytest.raises(ValueError, match=r"^target must have shape \(5, 3\), a row per step of x, got \(4, 3\)"):
        trainer.train_sequence(x, target[:4])
    with pytest.raises(ValueError, match=r"^mask must have shape \(5,\), one entry per step of x, got \(3,\)"):
        trainer.train_sequence(x, target, [True] * 3)
    with pytest.raises(ValueError, match="^target must be finite"):
        trainer.train_sequence(x, target * np.nan)
    with pytest.raises(ValueError, match="^weights must be float64, got float32 and float32"):
        make_dekf(ANBN, Weights(*(w.astype(np.float32) for w in trainer.weights)))
