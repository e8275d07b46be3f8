"""The Mackey-Glass equation, which a delay makes chaotic, integrated in compiled code.

    dx/dt = a x(t - tau) / (1 + x(t - tau)^c) - b x(t),     a = .2, b = .1, c = 10

x(0) is given, and what x was before it: 0. Steps are Runge & Kutta's of fourth order; at half steps the delayed value
is interpolated linearly between its neighbours.

Mackey & Glass, Oscillation and chaos in physiological control systems, Science 197 (1977).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_float, check_int
from lstm_rl.compiled import compiled, kernel

A, B, C = 0.2, 0.1, 10
STEPS = 10
"""Steps of the integration per sample, whose distance is 1."""


@kernel
def slope(x: float, delayed: float) -> float:
    """The equation's dx/dt."""
    return A * delayed / (1.0 + delayed**C) - B * x


@compiled
def integrate(x: Any, before: float, delay: int, h: float) -> None:
    """Fill ``x`` (N,), whose first value is given, with steps of ``h``; the delay has ``delay`` >= 1 of them."""
    for n in range(x.shape[0] - 1):
        d_0 = x[n - delay] if n >= delay else before
        d_2 = x[n + 1 - delay] if n + 1 >= delay else before
        d_1 = 0.5 * (d_0 + d_2)
        k_1 = slope(x[n], d_0)
        k_2 = slope(x[n] + 0.5 * h * k_1, d_1)
        k_3 = slope(x[n] + 0.5 * h * k_2, d_1)
        k_4 = slope(x[n] + h * k_3, d_2)
        x[n + 1] = x[n] + h * (k_1 + 2.0 * k_2 + 2.0 * k_3 + k_4) / 6.0


def mackey_glass(
    samples: int, tau: int = 17, *, x_0: float = 1.2, before: float = 0.0, skip: int = 1000
) -> NDArray[np.float64]:
    """The series x(skip), x(skip + 1), ..., without units.

    Args:
        samples: How many >= 1.
        tau: The delay >= 1; 17 is mildly chaotic, 30 more so.
        x_0: x(0) >= 0.
        before: x(t) >= 0 for t < 0.
        skip: Samples >= 0 at the start that are left out.

    Returns:
        (samples,).

    Raises:
        ValueError: An argument is out of its range.
    """
    check_int("samples", samples, 1)
    check_int("tau", tau, 1)
    check_int("skip", skip, 0)
    x = np.zeros((skip + samples - 1) * STEPS + 1)
    x[0] = check_float("x_0", x_0, 0.0)
    integrate(x, check_float("before", before, 0.0), tau * STEPS, 1.0 / STEPS)
    return x[skip * STEPS :: STEPS].copy()
