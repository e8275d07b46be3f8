"""What a world of trials tells of returns itself: exact optima, and bounds that no player can exceed."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any


def references(task: str) -> Callable[[], Mapping[str, Any]]:
    """A column for a row of the table, found when the table is made."""
    return partial(_references, task)


def _references(task: str) -> dict[str, str]:
    from lstm_rl.envs.bandit_returns import MAX_OPTIMUM
    from lstm_rl.experiments.protocols.trial_run import TrialRun, world_of

    settings = TrialRun(task, "random")
    optimum = world_of(settings).optimal_return
    if optimum is None:
        return {"optimum": "not known"}
    exact = settings.env_kwargs.get("pulls", MAX_OPTIMUM + 1) <= MAX_OPTIMUM
    return {"optimum": f"{optimum:.4g}" if exact else f"<= {optimum:.4g}"}
