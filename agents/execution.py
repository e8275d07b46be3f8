"""How compiled code is called."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from lstm_rl.agents.learner import Learner
from lstm_rl.streaming.foreign import executed

_DENORMAL, _ONE = np.float32(1e-40), np.float32(1.0)


@contextmanager
def flushed() -> Iterator[None]:
    """Flush denormal numbers to zero, and leave the processor as it was.

    In a long corridor the partials of an input that stays 0 fade below the normal numbers, where an operation takes a
    hundred times as long.
    """
    before = float(_DENORMAL * _ONE) == 0.0
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def execute(function: Callable[..., Any], learner: Learner, *arguments: Any) -> Any:
    """Call a compiled function with a learner and more, denormal numbers flushed; raise what a Torch network raises."""
    with flushed(), executed(learner.approximator):
        return function(learner, *arguments)
