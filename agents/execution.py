"""How compiled code is called."""

from collections.abc import Callable
from typing import Any

from lstm_rl.agents.learner import Learner
from lstm_rl.compiled import flushed
from lstm_rl.kernels.callback import reraising


def execute(function: Callable[..., Any], learner: Learner, *arguments: Any) -> Any:
    """Call a compiled function with a learner and more, denormal numbers flushed; raise what a Torch network raises."""
    with flushed(), reraising(learner.approximator):
        return function(learner, *arguments)
