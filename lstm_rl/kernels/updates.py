"""One pass over the weights: step them along their traces, move the partial derivatives, accumulate the traces.

    W <- W + alpha E e                                   plain steps
    W <- W + alpha E e / (sqrt(v) + 1e-8),  v <- rho v + (1 - rho) (E e)^2      RMS-normalised steps
    D <- a D + b z
    e <- decay e + sum_v c_v D_v

E is the error, e the eligibility trace, decay = gamma lambda (0: no trace, the supervised case). A weight step uses the
trace as it was before this pass. Loops run over rows of sources with units as contiguous columns and vectorise.
"""

from typing import Any

import numpy as np

from lstm_rl.compiled import by_class, kernel
from lstm_rl.kernels.approximator import RmsProp, Sgd, Update
from lstm_rl.kernels.network import BLOCK, Coefficients, Net, Streams, Weights, at_rest
from lstm_rl.kernels.squashing import slope

EPSILON = 1e-8


@kernel
def _row_gradient(to: Coefficients, partials: Any, z_m: Any, m: int) -> None:
    """Move row ``m`` of the partials; leave its gradient in ``to.gradient`` (U,)."""
    a, b, c, gradient = to.a, to.b, to.c, to.gradient
    gradient[:] = 0.0
    for v in range(partials.shape[0]):
        for j in range(gradient.shape[0]):
            d = a[v, j] * partials[v, m, j] + b[v, j] * z_m
            partials[v, m, j] = d
            gradient[j] += c[v, j] * d


@kernel
def mask_row(net: Net, e: Any, m: int) -> None:
    """Clear the traces of row ``m``'s weights that do not exist: so they never move."""
    if net.masked:
        for j in range(e.shape[1]):
            e[m, j] *= net.mask[m, j]


@by_class
def step_rows(
    optimizer: Any, net: Net, w: Weights, streams: Streams, i: int, to: Coefficients, update: Update, decay: Any
) -> None:
    """All hidden-layer weights of stream ``i`` along their traces, then partials and traces, in one pass."""
    raise TypeError(f"{type(optimizer).__name__} has no kernel for this")


@step_rows.register(Sgd)
def _step_rows_sgd(
    optimizer: Sgd, net: Net, w: Weights, streams: Streams, i: int, to: Coefficients, update: Update, decay: Any
) -> None:
    z, partials, e = streams.z[i], streams.partials[i], streams.traces[i]
    a, b, c, gradient = to.a[0], to.b[0], to.c[0], to.gradient
    units, number = gradient.shape[0], w.hidden.dtype.type
    step, decay = number(update.learning_rate * update.error), number(decay)
    for m in range(z.shape[0]):
        z_m = z[m]
        if partials.shape[0] == 1:  # one cell per block: a gradient is c D
            for j in range(units):
                w.hidden[m, j] += step * e[m, j]
                d = a[j] * partials[0, m, j] + b[j] * z_m
                partials[0, m, j] = d
                e[m, j] = decay * e[m, j] + c[j] * d
        else:
            _row_gradient(to, partials, z_m, m)
            for j in range(units):
                w.hidden[m, j] += step * e[m, j]
                e[m, j] = decay * e[m, j] + gradient[j]
        mask_row(net, e, m)


@step_rows.register(RmsProp)
def _step_rows_rms(
    optimizer: RmsProp, net: Net, w: Weights, streams: Streams, i: int, to: Coefficients, update: Update, decay: Any
) -> None:
    z, partials, e = streams.z[i], streams.partials[i], streams.traces[i]
    a, b, c, gradient = to.a[0], to.b[0], to.c[0], to.gradient
    units, number = gradient.shape[0], w.hidden.dtype.type
    error, rate, decay, epsilon = number(update.error), number(update.learning_rate), number(decay), number(EPSILON)
    rho, fresh = number(optimizer.decay), number(1.0) - number(optimizer.decay)
    for m in range(z.shape[0]):
        z_m = z[m]
        if partials.shape[0] == 1:  # one cell per block: a gradient is c D
            for j in range(units):
                g = error * e[m, j]
                square = rho * w.hidden_square[m, j] + fresh * (g * g)
                w.hidden_square[m, j] = square
                w.hidden[m, j] += rate * g / (np.sqrt(square) + epsilon)
                d = a[j] * partials[0, m, j] + b[j] * z_m
                partials[0, m, j] = d
                e[m, j] = decay * e[m, j] + c[j] * d
        else:
            _row_gradient(to, partials, z_m, m)
            for j in range(units):
                g = error * e[m, j]
                square = rho * w.hidden_square[m, j] + fresh * (g * g)
                w.hidden_square[m, j] = square
                w.hidden[m, j] += rate * g / (np.sqrt(square) + epsilon)
                e[m, j] = decay * e[m, j] + gradient[j]
        mask_row(net, e, m)


@by_class
def _step_flat(optimizer: Any, w: Any, v: Any, e: Any, update: Update, decay: float) -> None:
    """Weights w (P,) along traces e (P,); mean squares v (P,)."""
    raise TypeError(f"{type(optimizer).__name__} has no kernel for this")


@_step_flat.register(Sgd)
def _step_flat_sgd(optimizer: Sgd, w: Any, v: Any, e: Any, update: Update, decay: float) -> None:
    number = w.dtype.type
    step, decay = number(update.learning_rate * update.error), number(decay)
    for m in range(w.shape[0]):
        w[m] += step * e[m]
        e[m] = decay * e[m]


@_step_flat.register(RmsProp)
def _step_flat_rms(optimizer: RmsProp, w: Any, v: Any, e: Any, update: Update, decay: float) -> None:
    number = w.dtype.type
    error, rate, decay, epsilon = number(update.error), number(update.learning_rate), number(decay), number(EPSILON)
    rho, fresh = number(optimizer.decay), number(1.0) - number(optimizer.decay)
    for m in range(w.shape[0]):
        g = error * e[m]
        square = rho * v[m] + fresh * (g * g)
        v[m] = square
        w[m] += rate * g / (np.sqrt(square) + epsilon)
        e[m] = decay * e[m]


@kernel
def step_weights(weights: Any, squares: Any, traces: Any, update: Update, decay: float) -> None:
    """Step weights of any shape along their traces, then decay the traces."""
    _step_flat(update.optimizer, weights.reshape(-1), squares.reshape(-1), traces.reshape(-1), update, decay)


@kernel
def step_all(w: Weights, streams: Streams, i: int, update: Update, decay: float) -> None:
    """Step all weights of a network along the traces of stream ``i``, then decay the traces."""
    step_weights(w.output, w.output_square, streams.output_traces[i], update, decay)
    step_weights(w.hidden, w.hidden_square, streams.traces[i], update, decay)


@kernel
def output_gradient(net: Net, w: Weights, streams: Streams, i: int, k: int, q: Any) -> None:
    """Add output ``k``'s gradient by its own weights to the traces; leave that by its sources in q (V,)."""
    u, traces = streams.u[i], streams.output_traces[i]
    rate = w.output.dtype.type(slope(net.f_k, streams.outputs[i, k]))
    for m in range(u.shape[0]):
        traces[m, k] += rate * u[m]
        q[m] = rate * w.output[m, k]


@kernel
def output_gradients(net: Net, w: Weights, streams: Streams, i: int, errors: Any, q: Any) -> None:
    """The same for sum_k errors[k] outputs[k]; ``errors`` (K,) are left as those of the outputs' net inputs."""
    u, traces = streams.u[i], streams.output_traces[i]
    for k in range(errors.shape[0]):
        errors[k] *= slope(net.slope_k, streams.outputs[i, k])
    for m in range(u.shape[0]):
        if u[m] != 0.0:  # most inputs of a symbol are 0
            for k in range(errors.shape[0]):
                traces[m, k] += errors[k] * u[m]
    for m in range(net.out_inputs, u.shape[0]):  # inputs take no blame
        q[m] = 0.0
        for k in range(errors.shape[0]):
            q[m] += errors[k] * w.output[m, k]


@kernel
def _carry_rows(a: Any, b: Any, z: Any, d: Any, idle_rows: bool) -> None:
    """D <- a D + b z of some rows, with or without those whose z is 0."""
    for m in range(z.shape[0]):
        z_m = z[m]
        if z_m == 0.0 and not idle_rows:
            continue
        for j in range(a.shape[0]):
            d[m, j] = a[j] * d[m, j] + b[j] * z_m


@kernel
def advance_partials(net: Net, streams: Streams, i: int, to: Coefficients, idle_rows: bool) -> None:
    """D <- a D + b z and nothing else.

    Without ``idle_rows`` sources at 0 are left out, which is exact where a is 1, and where it is 0 once they are not
    left out before D counts: of a thousand symbols one is not 0.
    """
    z, partials = streams.z[i], streams.partials[i]
    for v in range(partials.shape[0]):
        a, b, d = to.a[v], to.b[v], partials[v]
        if idle_rows or z.shape[0] <= BLOCK:
            _carry_rows(a, b, z, d, idle_rows)
            continue
        for block in range(0, z.shape[0], BLOCK):
            some = z[block : block + BLOCK]
            if not at_rest(some):
                _carry_rows(a, b, some, d[block : block + BLOCK], False)


@kernel
def add_partials(net: Net, partials: Any, to: Coefficients, traces: Any) -> None:
    """E <- e + sum_v c_v D_v, of partials (S, M, U) that have been carried on; traces (M, U)."""
    for v in range(partials.shape[0]):
        c = to.c[v]
        for m in range(traces.shape[0]):
            for j in range(c.shape[0]):
                traces[m, j] += c[j] * partials[v, m, j]
    for m in range(traces.shape[0]):
        mask_row(net, traces, m)
