"""The weights that act: an exponential moving average (Polyak averaging), steadier than the last weights.

While learning goes on, the last weights jump from one good policy to another and sometimes over a bad one between;
their average does not. Learning itself works on the last weights. After `SHARE EVERY` time steps, every `EVERY`

    average <- average + (weights - average) EVERY / window
    window  =  max(EVERY, min(averaging * horizon, steps / SHARE)) steps

so that it forgets how learning began; before that the last weights act. Torch's parameters are the last weights. Who
replaces or edits them finds that they act at once: before each use they are compared with what learning left; where
they differ, the average starts anew.

Dimensions: P weights.
"""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lstm_rl.kernels.layout import Weights

EVERY = 1024  # time steps per environment between two updates of the average
SHARE = 10  # the average covers at most one part of so many of learning


def register_average(policy: Any) -> None:
    """Give a policy made of a compiled network the buffers: the average, and the weights as learning left them."""
    vector = torch.as_tensor(policy.weight_vector())
    policy.register_buffer("average", vector.clone())
    policy.register_buffer("average_of", vector.clone())
    policy.register_buffer("average_steps", torch.zeros(1, dtype=torch.float64))


class Average:
    """The averaged weights, as views of a policy's buffers.

    Args:
        weights: The last ones, views.
        average: (P,), moved in place, as the next two.
        average_of: (P,) the last weights as learning left them.
        steps: (1,) time steps per environment that were learnt.
        window: Of the average in such steps, > 0; below `EVERY` it counts as that.
    """

    def __init__(
        self,
        weights: Weights,
        average: NDArray[Any],
        average_of: NDArray[Any],
        steps: NDArray[np.float64],
        window: float,
    ) -> None:
        self._last = weights.hidden.reshape(-1), weights.output.reshape(-1)
        cut = self._last[0].size
        self._average, self._average_of, self._steps, self._window = average, average_of, steps, window
        self._seen = average_of[:cut], average_of[cut:]
        hidden, output = average[:cut].reshape(weights.hidden.shape), average[cut:].reshape(weights.output.shape)
        self.weights = weights._replace(hidden=hidden, output=output)

    def check(self) -> None:
        """Start anew from the weights if they are not what learning left."""
        if not all(map(np.array_equal, self._last, self._seen)):
            self._remember()
            self._average[:] = self._average_of
            self._steps[0] = 0

    def remaining(self) -> int:
        """Steps until the average moves next, 1 .. EVERY."""
        return EVERY - int(self._steps[0]) % EVERY

    def follow(self, steps: int) -> None:
        """So many steps, at most `remaining`, were learnt."""
        self._steps[0] += steps
        self._remember()
        count = int(self._steps[0])
        if count < SHARE * EVERY:
            self._average[:] = self._average_of
        elif count % EVERY == 0:
            rate = EVERY / max(min(self._window, count / SHARE), EVERY)
            self._average += self._average.dtype.type(rate) * (self._average_of - self._average)

    def _remember(self) -> None:
        for seen, last in zip(self._seen, self._last, strict=True):
            seen[:] = last
