"""The picture of replay learners beside RecurrentPPO: greedy returns against steps."""

from typing import TYPE_CHECKING

from matplotlib.figure import Figure

from lstm_rl.diagnostics.figures import LINES
from lstm_rl.experiments.aggregates import STEPS
from lstm_rl.experiments.memory_charts import learning_curves
from lstm_rl.experiments.protocols.replay_run import PPO, REPLAY

if TYPE_CHECKING:
    from pandas import DataFrame

COLORS = {REPLAY: LINES[0], PPO: LINES[1]}


def curves(runs: "DataFrame") -> dict[str, Figure]:
    """A panel per task, a line per run, the goal dashed; a run that reaches its goal ends there."""
    goal = {"goal": ("goal", "--")} if runs["goal"].notna().any() else {}
    return {"curves": learning_curves(runs, STEPS, "environment steps", COLORS, goal, logarithmic=False)}
