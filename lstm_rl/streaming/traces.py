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

from lstm_rl.compiled import kernel
from lstm_rl.streaming.network import Coefficients, Net, Streams, Weights

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
def _mask_row(net: Net, e: Any, m: int) -> None:
    """Clear the traces of row ``m``'s weights that do not exist: so they never move."""
    if net.masked:
        for j in range(e.shape[1]):
            e[m, j] *= net.mask[m, j]


@kernel
def step_hidden(net: Net, w: Weights, streams: Streams, i: int, to: Coefficients, step: Any, decay: Any) -> None:
    """Plain step of ``step`` = alpha E on all hidden-layer weights of stream ``i``, then partials and traces."""
    z, partials, e = streams.z[i], streams.partials[i], streams.traces[i]
    a, b, c, gradient = to.a[0], to.b[0], to.c[0], to.gradient
    units = gradient.shape[0]
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
        _mask_row(net, e, m)


@kernel
def _normalised(square: Any, g: Any, rho: Any) -> Any:
    """The running mean square moved towards g^2."""
    return rho * square + (rho / rho - rho) * (g * g)


@kernel
def step_hidden_rms(
    net: Net,
    w: Weights,
    streams: Streams,
    i: int,
    to: Coefficients,
    error: Any,
    alpha: Any,
    rho: Any,
    decay: Any,
) -> None:
    """The same with RMS-normalised steps; ``alpha`` 0 and ``rho`` 1 leave weights and mean squares alone."""
    z, partials, e = streams.z[i], streams.partials[i], streams.traces[i]
    a, b, c, gradient = to.a[0], to.b[0], to.c[0], to.gradient
    units, epsilon = gradient.shape[0], w.hidden.dtype.type(EPSILON)
    for m in range(z.shape[0]):
        z_m = z[m]
        if partials.shape[0] == 1:  # one cell per block: a gradient is c D
            for j in range(units):
                g = error * e[m, j]
                square = _normalised(w.hidden_square[m, j], g, rho)
                w.hidden_square[m, j] = square
                w.hidden[m, j] += alpha * g / (np.sqrt(square) + epsilon)
                d = a[j] * partials[0, m, j] + b[j] * z_m
                partials[0, m, j] = d
                e[m, j] = decay * e[m, j] + c[j] * d
        else:
            _row_gradient(to, partials, z_m, m)
            for j in range(units):
                g = error * e[m, j]
                square = _normalised(w.hidden_square[m, j], g, rho)
                w.hidden_square[m, j] = square
                w.hidden[m, j] += alpha * g / (np.sqrt(square) + epsilon)
                e[m, j] = decay * e[m, j] + gradient[j]
        _mask_row(net, e, m)


@kernel
def step_weights(weights: Any, traces: Any, step: Any) -> None:
    """Plain step of ``step`` = alpha E on weights along their traces, and nothing else."""
    w, e = weights.reshape(-1), traces.reshape(-1)
    for m in range(w.shape[0]):
        w[m] += step * e[m]


@kernel
def step_weights_rms(weights: Any, squares: Any, traces: Any, error: Any, alpha: Any, rho: Any) -> None:
    """RMS-normalised step on weights along their traces, and nothing else."""
    epsilon = weights.dtype.type(EPSILON)
    w, v, e = weights.reshape(-1), squares.reshape(-1), traces.reshape(-1)
    for m in range(w.shape[0]):
        g = error * e[m]
        square = _normalised(v[m], g, rho)
        v[m] = square
        w[m] += alpha * g / (np.sqrt(square) + epsilon)


@kernel
def step_output(w: Weights, streams: Streams, i: int, k: int, step: Any, decay: Any) -> None:
    """Plain step on all output weights of stream ``i``; then decay their traces and add output ``k``'s gradient, u."""
    flat, e = w.output.reshape(-1), streams.output_traces[i].reshape(-1)
    for m in range(flat.shape[0]):
        flat[m] += step * e[m]
        e[m] = decay * e[m]
    _add_column(streams, i, k)


@kernel
def step_output_rms(w: Weights, streams: Streams, i: int, k: int, error: Any, alpha: Any, rho: Any, decay: Any) -> None:
    """The same with RMS-normalised steps; ``alpha`` 0 and ``rho`` 1 leave weights and mean squares alone."""
    flat, e, v = w.output.reshape(-1), streams.output_traces[i].reshape(-1), w.output_square.reshape(-1)
    epsilon = w.output.dtype.type(EPSILON)
    for m in range(flat.shape[0]):
        g = error * e[m]
        square = _normalised(v[m], g, rho)
        v[m] = square
        flat[m] += alpha * g / (np.sqrt(square) + epsilon)
        e[m] = decay * e[m]
    _add_column(streams, i, k)


@kernel
def _add_column(streams: Streams, i: int, k: int) -> None:
    e, u = streams.output_traces[i], streams.u[i]
    for m in range(u.shape[0]):
        e[m, k] += u[m]
