"""How well a network predicts the test part of a series: one step, some steps directly, or by running freely.

Dimensions: N values, T steps, B starts, I lags.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.tasks.series import Series, windows

BOUND = 5.0
"""What is fed back is kept within +- this, in standard deviations, so that no free run is infinite (ours)."""


def nmse(predicted: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Mean squared error by the target's variance: 1 - R^2; its root is the NRMSE."""
    return float(np.mean((predicted - target) ** 2) / target.var())


def direct(net: Any, lags: tuple[int, ...], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Outputs (N,) at each value, all true values before it seen."""
    with torch.no_grad():
        y, _ = net(torch.from_numpy(windows(values, lags))[:, None])
    return np.asarray(y[:, 0, 0].numpy())


def free_run(
    net: Any, lags: tuple[int, ...], values: NDArray[np.float64], start: int, starts: int, steps: int
) -> NDArray[np.float64]:
    """Predictions (steps, starts) of the values after those at ``start``, ``start`` + 1, ..., each fed back as input.

    Args:
        net: Predicts the next value.
        lags: What it sees.
        values: (N,), true ones up to a start.
        start: The first start.
        starts: B >= 1, one at each value.
        steps: Of each run.
    """
    x = torch.from_numpy(windows(values, lags))[:, None]  # (N, 1, I)
    state: Any = None
    states: list[Any] = []
    with torch.no_grad():
        if start:
            _, state = net(x[:start])
        outputs = []
        for t in range(start, start + starts):
            y, state = net(x[t : t + 1], state)
            outputs.append(y[0])
            states.append(state)
        state = type(state)(*(torch.cat(parts) for parts in zip(*states, strict=True)))
        y = torch.cat(outputs)  # (B, 1)
        at = np.arange(start, start + starts)[:, None] - np.arange(lags[-1] + 1)
        seen = torch.from_numpy(values[at.clip(min=0)])  # (B, longest lag + 1), the last value first
        predicted = []
        for step in range(steps):
            predicted.append(y[:, 0])
            if step < steps - 1:
                seen = torch.cat([y.clamp(-BOUND, BOUND), seen[:, :-1]], 1)
                y, state = net(seen[None][:, :, list(lags)], state)
                y = y[0]
    return np.asarray(torch.stack(predicted).numpy())


def errors(nets: Mapping[int, Any], series: Series, lags: tuple[int, ...], horizons: Sequence[int]) -> dict[int, float]:
    """NMSE on the test part at each horizon.

    Args:
        nets: A network for each horizon, or one for the next value, which is then fed back.
        series: All of it.
        lags: What networks see.
        horizons: 1 and others; with 1 and 100 (the laser) the latter is one free run over the first 100 values.
    """
    values, first = series.values, series.validation
    if horizons[-1] == 100:
        run = free_run(nets[1], lags, values, first - 1, 1, 100)[:, 0]
        one = direct(nets[1], lags, values[:-1])[first - 1 :]
        return {1: nmse(one, values[first:]), 100: nmse(run, values[first : first + 100])}
    if len(nets) > 1:
        return {h: nmse(direct(net, lags, values[:-h])[first - h :], values[first:]) for h, net in nets.items()}
    starts = len(values) - first - horizons[-1]
    runs = free_run(nets[1], lags, values, first, starts, horizons[-1])
    return {h: nmse(runs[h - 1], values[first + h : first + h + starts]) for h in horizons}
