"""`lstm-rl plot`: learning curves of groups of runs."""

from dataclasses import dataclass
from pathlib import Path

import tyro

from lstm_rl.checks import check_int
from lstm_rl.diagnostics.run_curves import Axis, Measure, Source
from lstm_rl.intervals import Statistic

FORMATS = (".png", ".pdf", ".svg")


@dataclass(frozen=True)
class Plot:
    """Draw learning curves of groups of runs that differ only in their seed, ours and other agents'."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, or folders of them; of other agents: any with the monitor.csv of stable-baselines3's Monitor."""
    x: Axis = "steps"
    """The axis."""
    y: Measure = "return"
    """What is drawn."""
    of: Source = "training"
    """Episodes of training, or greedy evaluations."""
    statistic: Statistic = "iqm"
    """Over the runs of a group; iqm: mean of the middle half of them, of three or fewer the mean."""
    group_by: str | None = None
    """A setting whose values make the groups; default: runs that differ only in their seed."""
    window: int = 100
    """Training episodes that each point averages over."""
    title: str = ""
    """Above the picture; default: the environment."""
    out: Path = Path("learning_curves.png")
    """A .png, .pdf or .svg file."""

    def __post_init__(self) -> None:
        check_int("window", self.window, 1)
        if self.out.suffix not in FORMATS:
            raise ValueError(f"out must be a .png, .pdf or .svg file, got {self.out}")
        if not self.runs:
            raise ValueError("runs must be one run folder or more, got none")


def plot(command: Plot) -> int:
    """`lstm-rl plot`."""
    from tqdm import tqdm

    from lstm_rl.diagnostics.figures import save
    from lstm_rl.diagnostics.group_curves import group_curves
    from lstm_rl.diagnostics.run_curves import find_runs, groups_of, read_curve

    x, y, of, window = command.x, command.y, command.of, command.window
    folders = tqdm(find_runs(command.runs), unit="run", desc="reading", delay=2.0, leave=False)
    groups = groups_of([read_curve(folder, x, y, of, window) for folder in folders], command.group_by)
    save(group_curves(groups, x, y, of, command.statistic, window, command.title), command.out)
    for label, runs in groups.items():
        print(f"{label}: {len(runs)} runs of {min(run.x[-1] for run in runs):,.0f} {x} or more")
    print(f"{command.out}: {len(groups)} groups, {sum(map(len, groups.values()))} runs")
    return 0
