"""Past the paper: the default preset in noisy T-mazes of any length, one setting for all of them."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.charts import against_length
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import maze_run
from lstm_rl.experiments.protocols.maze_run import MazeRun
from lstm_rl.experiments.statistics import median_text, steps_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

BUDGET = 200_000_000
PROTOCOL = f"""\
Noisy T-maze of Bakker (2001), rewards and observations unchanged, no step limit while training; preset `default`, one
setting for all lengths, seeds that no setting was chosen on. A run trains until more than 94 of the last 100 episodes
took the right turn, exploration on (looked at every 1,000 steps), and at least 99 of 100 fresh greedy episodes do (not
learned from, tried at most once in 10 episodes), for at most {BUDGET:,} steps. Then it plays other fresh episodes
greedily (1,000, or as many as a million steps hold). In brackets: 95 % intervals (success: Wilson; median: bootstrap
over the successful runs)."""
PUBLISHED = {
    70: "RL-LSTM (Bakker 2001): some of 10 runs",
    90: "about 90: recurrent policy gradients (Wierstra 2007), recalled",
}


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Steps, episodes and seconds to success, and the worst of the runs."""
    good, success = successes(runs)
    return {
        "success": success,
        "median steps": median_text(good["steps"]),
        "worst": steps_text(good["steps"].max()) if len(good) else "-",
        "median episodes": f"{good['episodes'].median():,.0f}" if len(good) else "-",
        "worst greedy success": f"{good['greedy'].min():.3f}" if len(good) else "-",
        "seconds": f"{runs['seconds'].median():.1f}",
        "worst seconds": f"{runs['seconds'].max():.1f}",
    }


def _row(length: int) -> Row:
    settings = MazeRun(length, share=0.94, max_steps=BUDGET, greedy_share=0.99)
    return Row(f"N = {length:,}", settings, {"": PUBLISHED[length]} if length in PUBLISHED else {})


LONG = Experiment(
    "long-tmaze",
    "noisy T-mazes far beyond published lengths with the default preset",
    PROTOCOL,
    [_row(length) for length in (10, 70, 200, 1000, 3000, 10_000)],
    maze_run.run,
    score,
    partial(against_length, logarithmic=True),
)
LONGER = replace(LONG, name="long-tmaze-30000", about="the same for one length more", rows=[_row(30_000)], runs=4)
EXPERIMENTS = (LONG, LONGER)
