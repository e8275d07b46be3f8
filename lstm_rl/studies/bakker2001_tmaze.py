"""Bakker (2001), figures 3 and 4: how long a corridor each learner bridges, and how many steps it needs."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_rl.checks import check_choice, check_int
from lstm_rl.cli_types import Steps
from lstm_rl.presets import PresetName
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.mazes import POLICIES, Learner, MazeRun, run_maze
from lstm_rl.studies.statistics import median_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROTOCOL = """\
T-maze of Bakker (2001){noise}, preset `{preset}`, {runs} runs per cell, seeds from {seed}. A run trains without a step
limit until more than 80 of the last 100 episodes took the right turn, with learning and the learner's own stochastic
selection on (looked at every 1,000 steps), for at most {budget:,} steps. Then it plays fresh episodes greedily. In
brackets: 95 % intervals (success: Wilson; median: bootstrap over the successful runs)."""

NOTES = """\
Published: the paper shows counts and steps in figures 3 and 4 only. Recalled, not checked against print: RL-LSTM 10/10
up to N = 50, fewer at 60 and 70; memory bits worst, Elman-BPTT between them. Greedy and detour are medians over the
successful runs: success rate of greedy play, and steps of its right turns over the fewest possible. Deviations and open
choices: `docs/deviations.md`."""


@dataclass(frozen=True)
class BakkerTMaze(Options):
    """Bakker (2001), figures 3 and 4: T-mazes of growing length, LSTM against Elman-BPTT and memory bits."""

    noisy: bool = False
    """The noisy T-maze (figure 4) instead of the plain one (figure 3)."""
    lengths: tuple[int, ...] = (5, 10, 15, 20, 25, 30, 40, 50, 60, 70)
    """Corridor lengths N."""
    learners: tuple[Learner, ...] = ("lstm", "elman", "memory-bits")
    """Who takes part."""
    preset: PresetName = "bakker2001"
    """Settings of the learners."""
    max_steps: Steps = 20_000_000
    """Budget of a run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for length in self.lengths:
            check_int("lengths", length, 1)
        for learner in self.learners:
            check_choice("learners", learner, tuple(POLICIES))
        if not self.lengths or not self.learners:
            raise ValueError("lengths and learners must not be empty")
        check_int("max_steps", self.max_steps, 1)


def study(options: BakkerTMaze) -> Study:
    """The study that the options describe; all lengths of a seed before the next seed, for a fair estimate of time."""
    settings = [
        MazeRun(length, seed, learner, options.preset, options.noisy, 0.8, 100, options.max_steps)
        for seed in options.seeds
        for length in options.lengths
        for learner in options.learners
    ]
    return Study(
        "bakker2001-tmaze" + "-noisy" * options.noisy,
        PROTOCOL.format(
            noise=" with a noisy corridor" * options.noisy,
            preset=options.preset,
            runs=options.runs,
            seed=options.seed,
            budget=options.max_steps,
        ),
        settings,
        run_maze,
        table,
        figures,
        NOTES,
    )


def published(learner: str, length: int) -> str:
    """What the paper says of a cell, as far as it is known in numbers."""
    if learner != "lstm":
        return "plotted only"
    return "10/10 (recalled)" if length <= 50 else "< 10 (recalled)" if length <= 70 else "-"


def cells(rows: list[Row]) -> dict[tuple[str, int], list[Row]]:
    """Rows by learner and length, in their order of appearance, lengths ascending."""
    keys = dict.fromkeys((row["learner"], row["corridor_length"]) for row in rows)
    learners = list(dict.fromkeys(learner for learner, _ in keys))
    ordered = sorted(keys, key=lambda key: (learners.index(key[0]), key[1]))
    return {key: [row for row in rows if (row["learner"], row["corridor_length"]) == key] for key in ordered}


def table(rows: list[Row]) -> str:
    """Published beside ours, a line per learner and length."""
    import numpy as np

    lines = [
        "| learner | N | published | ours: success | median steps to success | greedy | detour | seconds per run |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for (learner, length), runs in cells(rows).items():
        good = [run for run in runs if run["success"]]
        greedy = f"{np.median([run['greedy'] for run in good]):.3f}" if good else "-"
        walks = [run["detour"] for run in good if run["detour"] is not None]
        parts = [
            learner,
            str(length),
            published(learner, length),
            success_text(len(good), len(runs)),
            median_text([run["steps"] for run in good]),
            greedy,
            f"{np.median(walks):.2f}" if walks else "-",
            f"{np.median([run['seconds'] for run in runs]):.1f}",
        ]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """Successful runs against N, and steps to success against N, as in the paper."""
    from lstm_rl.studies.figures import against_length

    return {"success_and_steps": against_length(cells(rows))}
