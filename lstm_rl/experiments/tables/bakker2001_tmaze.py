"""Bakker (2001), figures 3 and 4: how long a corridor each learner bridges, and how many steps it needs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import against_length
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import maze_run
from lstm_rl.experiments.protocols.maze_run import POLICIES, MazeRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

BUDGET = 10_000_000
PROTOCOL = """\
T-maze of Bakker (2001){noise}, preset `bakker2001`. A run trains without a step limit until more than 80 of the last
100 episodes took the right turn, with learning and the learner's own stochastic selection on (looked at every 1,000
steps), for at most {budget:,} steps. Then it plays fresh episodes greedily. In brackets: 95 % intervals (success:
Wilson; median: bootstrap over the successful runs)."""
NOTES = """\
Published: the paper shows counts and steps in figures 3 and 4 only. Recalled, not checked against print: RL-LSTM 10/10
up to N = 50, fewer at 60 and 70; memory bits worst, Elman-BPTT between them. Greedy and detour are medians over the
successful runs: success rate of greedy play, and steps of its right turns over the fewest possible. Deviations and open
choices: `docs/deviations.md`."""
LENGTHS = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70)


def published(learner: str, length: int) -> str:
    """What the paper says of a row, as far as it is known in numbers."""
    if learner != "lstm":
        return "plotted only"
    return "10/10 (recalled)" if length <= 50 else "< 10 (recalled)"


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successful runs, steps to success, and greedy play after it."""
    good, success = successes(runs)
    walks = good["detour"].dropna()
    return {
        "success": success,
        "median steps to success": median_text(good["steps"]),
        "greedy": f"{good['greedy'].median():.3f}" if len(good) else "-",
        "detour": f"{walks.median():.2f}" if len(walks) else "-",
        "seconds per run": f"{runs['seconds'].median():.1f}",
    }


def _experiment(noisy: bool) -> Experiment:
    rows = [
        Row(f"{learner}, N = {length}", settings, {"": published(learner, length)})
        for learner in POLICIES
        for length in LENGTHS
        for settings in [
            MazeRun(length, learner=learner, preset="bakker2001", noisy=noisy, share=0.8, max_steps=BUDGET)
        ]
    ]
    return Experiment(
        "bakker2001-tmaze" + "-noisy" * noisy,
        f"Bakker (2001), figure {3 + noisy}: {'noisy' if noisy else 'plain'} T-mazes, LSTM, Elman-BPTT and memory bits",
        PROTOCOL.format(noise=" with a noisy corridor" * noisy, budget=BUDGET),
        rows,
        maze_run.run,
        score,
        against_length,
        notes=NOTES,
    )


EXPERIMENTS = (_experiment(noisy=False), _experiment(noisy=True))
