"""What the table of learning to learn says of runs, and what a world tells of returns itself."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = """\
A trial is n episodes of one task (of a bandit: n pulls); each trial has a new task. Figures are total returns of a
trial, means over 10,000 fresh tasks with their standard errors. Ours and streaming learn to learn: weights frozen,
inputs are the observation, the last action, the last reward and where an episode begins. Ours: running means, PPO over
whole trials, actions drawn as in training. Planning: a network that counts what each action brought in each state and
plans with these counts before every step, parameter-exploring policy gradients. Streaming: exact cells, one update per
step, the most probable action (in dark rooms: drawn). The other players know how tasks are drawn."""
NOTES = """\
Published: random to RL^2 from Duan et al. (2016), 1,000 tasks; SNAIL from Mishra et al. (2018), second-hand. Optimum:
the exact Bayes optimum where dynamic programming can have it, else (with <=) a bound that no player can exceed. c and
epsilon in brackets: the best of a grid."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Mean return of a trial and its standard error; of several runs the range of their means as well."""
    means = runs["score"].astype(float)
    error = float((runs["error"].astype(float) ** 2).sum() ** 0.5 / len(runs))
    text = f"{means.mean():.{2 if means.mean() < 20 else 1}f} ± {error:.2g}"
    if len(runs) > 1:
        text += f" ({means.min():.4g} to {means.max():.4g})"
    setting = runs["setting"].iloc[0]
    cells: dict[str, Any] = {"": text if setting is None or setting != setting else f"{text} [{setting:g}]"}
    if runs["weights"].notna().all():  # ours, planning, streaming
        cells["weights"] = float(runs["weights"].max())
        cells["steps"] = f"{runs['steps'].astype(float).max() / 1e6:.3g} M, {runs['seconds'].astype(float).max():.0f} s"
    return cells


def references(task: str) -> Callable[[], Mapping[str, Any]]:
    """A column for a row of the table, found when the table is made."""
    return partial(_references, task)


def _references(task: str) -> dict[str, str]:
    from lstm_rl.envs.bandit_returns import MAX_OPTIMUM
    from lstm_rl.envs.dark_room import search_bounds
    from lstm_rl.experiments.protocols.trial_run import TrialRun, world_of

    settings = TrialRun(task, "random")
    if settings.world_name == "DarkRoom":
        return {"optimum": f"<= {search_bounds()[0]:.4g}"}
    optimum = world_of(settings).optimal_return
    if optimum is None:
        return {"optimum": "not known"}
    exact = settings.env_kwargs.get("pulls", MAX_OPTIMUM + 1) <= MAX_OPTIMUM
    return {"optimum": f"{optimum:.4g}" if exact else f"<= {optimum:.4g}"}
