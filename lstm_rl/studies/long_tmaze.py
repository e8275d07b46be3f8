"""Past the paper: the default preset in noisy T-mazes of any length, one setting for all of them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_rl.cli_types import Steps
from lstm_rl.studies.bakker2001_tmaze import cells
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.mazes import MazeRun, check_mazes, run_maze
from lstm_rl.studies.statistics import median_text, steps_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROTOCOL = """\
Noisy T-maze of Bakker (2001), rewards and observations unchanged, no step limit while training; preset `default`, one
setting for all lengths; {runs} runs per length, seeds from {seed}, which no setting was chosen on. A run trains until
more than 94 of the last 100 episodes took the right turn, exploration on (looked at every 1,000 steps), and at least
99 of 100 fresh greedy episodes do (not learned from, tried at most once in 10 episodes), for at most {budget:,} steps.
Then it plays other fresh episodes greedily (1,000, or as many as a million steps hold). In brackets: 95 % intervals
(success: Wilson; median: bootstrap over the successful runs)."""

PUBLISHED = {
    70: "RL-LSTM (Bakker 2001): some of 10 runs",
    90: "about 90: recurrent policy gradients (Wierstra 2007), recalled",
}


@dataclass(frozen=True)
class LongTMaze(Options):
    """Noisy T-mazes far beyond published lengths with the default preset."""

    lengths: tuple[int, ...] = (10, 70, 200, 1000, 3000, 10_000)
    """Corridor lengths N."""
    max_steps: Steps = 200_000_000
    """Budget of a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_mazes(self.lengths, self.max_steps)


def study(options: LongTMaze) -> Study:
    """The study that the options describe."""
    settings = [
        MazeRun(length, seed, share=0.94, max_steps=options.max_steps, greedy_share=0.99)
        for seed in options.seeds
        for length in options.lengths
    ]
    protocol = PROTOCOL.format(runs=options.runs, seed=options.seed, budget=options.max_steps)
    return Study("long-tmaze", protocol, settings, run_maze, table, figures)


def table(rows: list[Row]) -> str:
    """A line per length."""
    import numpy as np

    lines = [
        "| N | published | success | median steps | worst | median episodes | worst greedy success | seconds | worst |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for (_, length), runs in cells(rows).items():
        good = [run for run in runs if run["success"]]
        steps = [run["steps"] for run in good]
        parts = [
            f"{length:,}",
            PUBLISHED.get(length, "-"),
            success_text(len(good), len(runs)),
            median_text(steps),
            steps_text(max(steps)) if good else "-",
            f"{np.median([run['episodes'] for run in good]):,.0f}" if good else "-",
            f"{min(run['greedy'] for run in good):.3f}" if good else "-",
            f"{np.median([run['seconds'] for run in runs]):.1f}",
            f"{max(run['seconds'] for run in runs):.1f}",
        ]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """Success and steps against the length."""
    from lstm_rl.studies.figures import against_length

    return {"success_and_steps": against_length(cells(rows), logarithmic=True)}
