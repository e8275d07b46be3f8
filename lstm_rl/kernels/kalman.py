"""Learning by a decoupled extended Kalman filter, whose derivatives are the truncated gradient carried forward.

Perez-Ortiz, Gers, Eck & Schmidhuber, Kalman filters improve LSTM network performance in problems unsolvable by
traditional recurrent nets, Neural Networks 16 (2003), after Puskorius & Feldkamp, IEEE Trans. Neural Networks 5 (1994).

Dimensions as in `lstm_rl.kernels.truncated`: n streams, M sources, U units, V output sources, K outputs, S slots. The
weights w_i into one unit i are a group: a column of (M, U), or of (V, K). With the derivative H_i = dy / dw_i of all
outputs y = f_k(W_k u) and the target d, each step with a target is

    A   = [r I + sum_i H_i^T P_i H_i]^-1                 (K, K)
    w_i <- w_i + P_i H_i A (d - y)
    P_i <- P_i - P_i H_i A H_i^T P_i + q I               symmetric: one triangle is computed

r is the variance of targets, q how fast weights are held to drift. A weight that does not exist has no variance, its
row and column of P are 0: so it never moves. The arrays hold H_i^T and (P_i H_i)^T, to vectorise over sources.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import compiled, kernel
from lstm_rl.kernels.approximator import (
    Kalman,
    Update,
    accumulate_gradient,
    advance,
    forward,
    learn_step,
    reset,
    update_weights,
)
from lstm_rl.kernels.forward import add_rows, step_forward
from lstm_rl.kernels.layout import Net, Numbers, Streams, Weights, clear, make_net, make_streams, step_of
from lstm_rl.kernels.squashing import slope
from lstm_rl.kernels.truncated import Coefficients, advance_partials, coefficients, make_coefficients
from lstm_rl.topology import Topology


class Dekf(NamedTuple):
    """A network, n streams through it, and what the filter believes about its weights."""

    net: Net
    weights: Weights
    streams: Streams
    outputs: Numbers  # (n, K), those of the streams
    steps: NDArray[np.int64]  # (1,) with a target so far, by which noises go down
    covariance: Numbers  # (U, M, M) P of each unit's weights
    output_covariance: Numbers  # (K, V, V) P of each output's weights
    scratch: Coefficients
    q: Numbers  # (V,) scratch, as all below
    derivative: Numbers  # (U, K, M) H^T
    product: Numbers  # (U, K, M) H^T P
    output_derivative: Numbers  # (K, V) H^T of output k's own weights: other outputs do not depend on them
    output_product: Numbers  # (K, V)
    inverse: Numbers  # (K, K) A
    correction: Numbers  # (K,) A (d - y)


def check_start(weights: Weights, covariance: float) -> float:
    """The variance that each weight of a filter begins with.

    Raises:
        ValueError: ``weights`` are not float64, or ``covariance`` is out of range.
    """
    if {weights.hidden.dtype, weights.output.dtype} != {np.dtype(np.float64)}:
        raise ValueError(f"weights must be float64, got {weights.hidden.dtype} and {weights.output.dtype}")
    return check_float("covariance", covariance, 0.0, open_low=True)


def make_dekf(topology: Topology, weights: Weights, covariance: float = 100.0, n: int = 1) -> Dekf:
    """Make a filter for n streams at rest around weights that live elsewhere; all of it in float64.

    Args:
        topology: The network.
        weights: Its weights, (M, U) and (V, K), float64; the filter moves them in place.
        covariance: Initial variance > 0 of each weight.
        n: Streams >= 1.

    Raises:
        ValueError: ``weights`` of another type or ``covariance`` out of range.
    """
    variance = check_start(weights, covariance)
    m, u, v, k = topology.sources, topology.units, topology.output_sources, topology.outputs
    streams = make_streams(topology, check_int("n", n, 1), np.float64)
    return Dekf(
        make_net(topology, np.float64),
        weights,
        streams,
        streams.outputs,
        np.zeros(1, np.int64),
        variance * np.eye(m) * topology.mask.T[:, :, None],
        variance * np.eye(v) * topology.output_mask.T[:, :, None],
        make_coefficients(topology, np.float64),
        *(np.zeros(shape) for shape in ((v,), (u, k, m), (u, k, m), (k, v), (k, v), (k, k), (k,))),
    )


@kernel
def dekf_move(dekf: Dekf, i: int) -> None:
    """D <- a D + b z, the step that `forward` made last in stream ``i``: all that a step without a target needs."""
    streams = dekf.streams
    y, s_tm1, h = streams.y[i], streams.s_tm1[i], streams.h[i]
    coefficients(dekf.net, y, s_tm1, h, dekf.q, dekf.scratch)  # a and b; they do not depend on q
    advance_partials(streams.z[i], streams.partials[i], dekf.scratch, True)


@kernel
def dekf_step(dekf: Dekf, i: int, errors: Any, measurement_noise: float, process_noise: float) -> None:
    """Move all weights so that the outputs that `forward` left in stream ``i`` change by ``errors`` (K,).

    ``measurement_noise`` is r > 0, ``process_noise`` q >= 0. The outputs stay as they were.
    """
    dekf_move(dekf, i)
    _differentiate(dekf, i)
    _invert(dekf, measurement_noise)
    a, correction, weights = dekf.inverse, dekf.correction, dekf.weights
    correction[:] = 0.0
    for k in range(a.shape[0]):
        for other in range(a.shape[0]):
            correction[k] += a[k, other] * errors[other]
    for j in range(dekf.covariance.shape[0]):
        move_group(weights.hidden[:, j], dekf.covariance[j], dekf.product[j], a, correction, process_noise)
    for k in range(a.shape[0]):
        p, product = dekf.output_covariance[k], dekf.output_product[k : k + 1]
        own_a, own_correction = a[k : k + 1, k : k + 1], correction[k : k + 1]
        move_group(weights.output[:, k], p, product, own_a, own_correction, process_noise)


@kernel
def _differentiate(dekf: Dekf, i: int) -> None:
    """Fill H^T and H^T P of all groups."""
    net, streams, derivative, product, c = dekf.net, dekf.streams, dekf.derivative, dekf.product, dekf.scratch.c
    partials, u, outputs = streams.partials[i], streams.u[i], streams.outputs[i]
    derivative[:] = 0.0
    product[:] = 0.0
    dekf.output_product[:] = 0.0
    for k in range(outputs.shape[0]):
        rate = slope(net.f_k, outputs[k])
        for m in range(u.shape[0]):
            dekf.output_derivative[k, m] = rate * u[m]
            dekf.q[m] = rate * dekf.weights.output[m, k]
        add_rows(dekf.output_covariance[k], dekf.output_derivative[k], 0, u.shape[0], dekf.output_product[k])
        coefficients(
            net, streams.y[i], streams.s_tm1[i], streams.h[i], dekf.q, dekf.scratch
        )  # c is another for each output
        for v in range(partials.shape[0]):
            for m in range(partials.shape[1]):
                for j in range(derivative.shape[0]):
                    derivative[j, k, m] += c[v, j] * partials[v, m, j]
    for j in range(derivative.shape[0]):
        for k in range(outputs.shape[0]):
            add_rows(dekf.covariance[j], derivative[j, k], 0, partials.shape[1], product[j, k])


@kernel
def annealed(kalman: Kalman, steps: int) -> tuple[float, float]:
    """The noises r and q after so many steps with a target."""
    (r_first, r_last), (q_first, q_last), anneal_steps = kalman
    done = min(steps / anneal_steps, 1.0)
    return r_first * (r_last / r_first) ** done, q_first * (q_last / q_first) ** done


@kernel
def dot(x: Any, y: Any) -> float:
    """The sum of products."""
    total = 0.0
    for m in range(x.shape[0]):
        total += x[m] * y[m]
    return total


@kernel
def _invert(dekf: Dekf, measurement_noise: float) -> None:
    """Fill A: the inverse of the sum over groups."""
    a, derivative, product = dekf.inverse, dekf.derivative, dekf.product
    a[:] = 0.0
    for k in range(a.shape[0]):
        a[k, k] = measurement_noise + dot(dekf.output_derivative[k], dekf.output_product[k])
    for j in range(derivative.shape[0]):
        for k in range(a.shape[0]):
            for other in range(a.shape[0]):
                a[k, other] += dot(derivative[j, k], product[j, other])
    invert(a)


@kernel
def invert(a: Any) -> None:
    """Invert a symmetric and positive matrix (K, K) in place by Gauss and Jordan: no pivot is looked for."""
    for k in range(a.shape[0]):
        pivot, a[k, k] = a[k, k], 1.0
        for column in range(a.shape[0]):
            a[k, column] /= pivot
        for row in range(a.shape[0]):
            if row != k:
                factor, a[row, k] = a[row, k], 0.0
                for column in range(a.shape[0]):
                    a[row, column] -= factor * a[k, column]


@kernel
def move_group(w: Any, p: Any, product: Any, a: Any, correction: Any, process_noise: float) -> None:
    """Move weights w (n_i,) and covariance P (n_i, n_i) of one group; ``product`` H^T P (K, n_i), A (K, K)."""
    for m in range(w.shape[0]):
        if p[m, m] == 0.0:  # no such weight
            continue
        for k in range(a.shape[0]):
            w[m] += product[k, m] * correction[k]
            gain = 0.0  # of P H A
            for other in range(a.shape[0]):
                gain += product[other, m] * a[other, k]
            for n in range(m + 1):
                p[m, n] -= gain * product[k, n]
        p[m, m] += process_noise
        for n in range(m):
            p[n, m] = p[m, n]


@forward.register(Dekf)
def _forward(dekf: Dekf, i: int, x: Any) -> None:
    step_forward(dekf.net, dekf.weights, x, step_of(dekf.streams, i))


@reset.register(Dekf)
def _reset(dekf: Dekf, i: int) -> None:
    clear(dekf.streams, i)


@advance.register(Dekf)
def _advance(dekf: Dekf, i: int) -> None:
    dekf_move(dekf, i)


@learn_step.register(Dekf)
def _learn_step(dekf: Dekf, i: int, errors: Any, update: Update) -> None:
    """A step of the filter; the learning rate plays no part."""
    r, q = annealed(update.optimizer, dekf.steps[0])
    dekf_step(dekf, i, errors, r, q)
    dekf.steps[0] += 1


@accumulate_gradient.register(Dekf)
def _accumulate_gradient(dekf: Dekf, i: int, errors: Any) -> None:
    """A filter keeps no gradient, it learns at each target: whoever trains it asks for `learn_step`."""
    dekf_move(dekf, i)


@update_weights.register(Dekf)
def _update_weights(dekf: Dekf, i: int, update: Update, decay: float) -> None:
    """Done in `learn_step`."""


@compiled
def train(dekf: Dekf, x: Any, target: Any, mask: Any, measurement_noise: Any, process_noise: Any, errors: Any) -> None:
    """Learn one sequence in stream 0, from rest.

    Args:
        dekf: The filter.
        x: (T, I).
        target: (T, K).
        mask: (T,) bool, the steps with a target.
        measurement_noise: (T,) r > 0 of each step.
        process_noise: (T,) q >= 0 of each step.
        errors: (T, K), filled with target minus output before the weights moved where there is a target.
    """
    clear(dekf.streams, 0)
    for t in range(x.shape[0]):
        step_forward(dekf.net, dekf.weights, x[t], step_of(dekf.streams, 0))
        if mask[t]:
            for k in range(target.shape[1]):
                errors[t, k] = target[t, k] - dekf.streams.outputs[0, k]
            dekf_step(dekf, 0, errors[t], measurement_noise[t], process_noise[t])
        else:
            dekf_move(dekf, 0)


@compiled
def unroll(dekf: Dekf, x: Any, outputs: Any) -> None:
    """Fill ``outputs`` (T, K) for inputs ``x`` (T, I) from rest in stream 0; the weights stay."""
    clear(dekf.streams, 0)
    for t in range(x.shape[0]):
        step_forward(dekf.net, dekf.weights, x[t], step_of(dekf.streams, 0))
        for k in range(outputs.shape[1]):
            outputs[t, k] = dekf.streams.outputs[0, k]


class KalmanTrainer:
    """A network that learns sequences by the filter above, each from rest.

    Both noises go geometrically from their first to their last value over ``anneal_steps`` steps with a target. All
    defaults are (ours), see `Kalman`; what is remembered of the papers' P(0) is 100 to 1000.

    Args:
        topology: The network.
        seed: Of the initial weights.
        measurement_noise: r > 0 at first and at last.
        process_noise: q > 0 at first and at last.
        covariance: Initial variance > 0 of each weight.
        anneal_steps: Steps >= 1 with a target.

    ``weights`` are laid out as those of `lstm_rl.nn.LstmNetwork`.

    Raises:
        ValueError: An argument is out of its range.
    """

    def __init__(
        self,
        topology: Topology,
        seed: int | None = None,
        *,
        measurement_noise: tuple[float, float] = Kalman().measurement_noise,
        process_noise: tuple[float, float] = Kalman().process_noise,
        covariance: float = 100.0,
        anneal_steps: int = Kalman().anneal_steps,
    ) -> None:
        for name, ends in {"measurement_noise": measurement_noise, "process_noise": process_noise}.items():
            if len(ends) != 2:
                raise ValueError(f"{name} must be two numbers, at first and at last, got {ends!r}")
            for end in ends:
                check_float(name, end, 0.0, open_low=True)
        self.topology, self.measurement_noise, self.process_noise = topology, measurement_noise, process_noise
        self.anneal_steps, self.steps = check_int("anneal_steps", anneal_steps, 1), 0
        hidden, output = topology.initial_weights(np.random.default_rng(seed))
        self.weights = Weights(hidden, output, np.zeros_like(hidden), np.zeros_like(output))
        self.dekf = make_dekf(topology, self.weights, covariance)

    def train_sequence(self, x: ArrayLike, target: ArrayLike, mask: ArrayLike | None = None) -> NDArray[np.float64]:
        """Learn one sequence.

        Args:
            x: (T, I).
            target: (T, K); rows without a target may hold anything.
            mask: (T,) bool, true where there is a target; ``None``: everywhere.

        Returns:
            Errors (T, K), target minus output before the weights moved; 0 where there is no target.

        Raises:
            ValueError: Shapes that do not fit, or numbers that are not finite.
            FloatingPointError: The filter has diverged, its weights are lost.
        """
        x, outputs = _matrix("x", x, self.topology.inputs), self.topology.outputs
        wanted = np.ones(len(x), np.bool_) if mask is None else np.array(mask, np.bool_)
        target = np.array(target, np.float64)
        if wanted.shape != (len(x),):
            raise ValueError(f"mask must have shape ({len(x)},), one entry per step of x, got {wanted.shape}")
        if target.shape != (len(x), outputs):
            raise ValueError(f"target must have shape ({len(x)}, {outputs}), a row per step of x, got {target.shape}")
        target[~wanted] = 0.0
        target = _matrix("target", target, outputs)
        done = np.minimum((self.steps + np.cumsum(wanted) - wanted) / self.anneal_steps, 1.0)  # (T,)
        (r_first, r_last), (q_first, q_last) = self.measurement_noise, self.process_noise
        r, q = r_first * (r_last / r_first) ** done, q_first * (q_last / q_first) ** done  # (T,)
        errors = np.zeros(target.shape)
        train(self.dekf, x, target, wanted, r, q, errors)
        self.steps += int(wanted.sum())
        if not all(np.isfinite(array).all() for array in (errors, self.weights.hidden, self.weights.output)):
            raise FloatingPointError(f"the filter has diverged after {self.steps} steps with a target")
        return errors

    def outputs(self, x: ArrayLike) -> NDArray[np.float64]:
        """Outputs (T, K) for one sequence of inputs ``x`` (T, I) from rest; nothing is learned.

        Raises:
            ValueError: A shape that does not fit, or numbers that are not finite.
        """
        x = _matrix("x", x, self.topology.inputs)
        outputs = np.zeros((len(x), self.topology.outputs))
        unroll(self.dekf, x, outputs)
        return outputs


def _matrix(name: str, value: ArrayLike, columns: int) -> NDArray[np.float64]:
    """``value`` as finite numbers (T, columns)."""
    matrix = np.ascontiguousarray(value, np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise ValueError(f"{name} must have shape (T, {columns}), got {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"{name} must be finite, got {matrix}")
    return matrix
