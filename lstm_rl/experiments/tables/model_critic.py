"""Model/critic, after Bakker (2007), beside our other learners and RecurrentPPO in equal CPU time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import model_critic_run
from lstm_rl.experiments.protocols.model_critic_run import CODE, EPISODES, CriticRun, Method, Task
from lstm_rl.experiments.statistics import returns_text, steps_text

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = f"""\
After Bakker (2007), of which no figure could be read. Each learner has the same CPU seconds of training; then its
greedy policy plays {EPISODES} fresh episodes. Coded T-maze: Bakker's T-maze of 2001 with a corridor of 10, an optimum
of 4, whose four moves are {CODE} numbers each, by a fixed random code; rewards and time-out are those of 2001. Poles:
velocities hidden, a force of any size, at most 1 a step for 1,000 steps. Return: mean; success: share of episodes;
medians over runs, in brackets: 95 % intervals (bootstrap)."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Return, successes, and the steps that the time was enough for."""
    diverged = int(runs["diverged"].sum())
    return {
        "return": returns_text(runs["returns"]) + f", {diverged} diverged" * bool(diverged),
        "success": f"{runs['rate'].mean():.0%}".replace("%", " %"),
        "steps": steps_text(runs["steps"].median()),
    }


EXPERIMENTS = (
    Experiment(
        "model-critic",
        "after Bakker (2007): an LSTM that models and criticises, beside other learners in equal time",
        PROTOCOL,
        [Row(task, CriticRun(task, method), column=method) for task in get_args(Task) for method in get_args(Method)],
        model_critic_run.run,
        score,
        check=model_critic_run.check,
        runs=5,
    ),
)
