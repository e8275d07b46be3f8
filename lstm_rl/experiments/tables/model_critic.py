"""Model/critic, after Bakker (2007), beside our other learners and RecurrentPPO in equal CPU time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, get_args

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import model_critic_run
from lstm_rl.experiments.protocols.model_critic_run import (
    CODE,
    CORRIDOR,
    EPISODES,
    TRIALS,
    TRIED,
    CriticRun,
    Method,
    Task,
)
from lstm_rl.experiments.statistics import median_text, returns_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

PROTOCOL = f"""\
After Bakker (2007), of which no figure could be read. Each learner has the same CPU seconds of training,
{TRIALS} times in which its greedy policy is tried on {TRIED} episodes, not counted; training ends when all of
these succeed, which solves the task, or with the time. The policy that did best when tried plays {EPISODES}
fresh episodes. Coded T-maze: Bakker's T-maze of 2001 with a corridor of {CORRIDOR}, an optimum of 4 and 1.95
without memory, whose four moves are {CODE} numbers each, by a fixed random code; rewards and time-out are those
of 2001. Poles: velocities hidden, a force of any size, at most 1 a step for 1,000 steps. Solved: runs; success:
share of fresh episodes; return: of these, mean; seconds: CPU; medians over runs, in brackets: 95 % intervals
(solved: Wilson; medians: bootstrap)."""


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Solved runs, successes and return afterwards, time and steps that it took."""
    diverged = int(runs["diverged"].sum())
    return {
        "solved": successes(runs)[1] + f", {diverged} diverged" * bool(diverged),
        "success": f"{runs['rate'].mean():.0%}".replace("%", " %"),
        "return": returns_text(runs["returns"]),
        "seconds": median_text(runs["seconds"]),
        "steps": steps_text(runs["all_steps"].median()),
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
        runs=3,
        seed=1100,
    ),
)
