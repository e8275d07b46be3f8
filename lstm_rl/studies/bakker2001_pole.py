"""Bakker (2001), section 5: the multi-mode pole, RL-LSTM against Elman-BPTT."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lstm_rl.checks import check_choice, check_int
from lstm_rl.cli_types import Steps
from lstm_rl.presets import PresetName
from lstm_rl.studies.engine import Options, Row, Study
from lstm_rl.studies.mazes import POLICIES, Learner
from lstm_rl.studies.poles import LIMIT, STARTS, PoleRun, run_pole
from lstm_rl.studies.statistics import median_text, success_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROTOCOL = """\
Multi-mode pole of Bakker (2001), preset `{preset}`, {runs} runs per learner, seeds from {seed}, at most {budget:,}
steps each. Every {every:,} steps the greedy policy is tried on starts that are not learned from, for up to {limit:,}
steps (2,000 s simulated) as long as none falls; training ends when none does, and the best weights are kept.{again} A
run is a success if those balance all of {starts} fresh starts, in both modes, for {limit:,} steps. In brackets: 95 %
intervals (success: Wilson; medians: bootstrap)."""

AGAIN = " A run that\nhas not got there after {steps:,} steps starts over with new weights; all its steps count."

PUBLISHED = {
    (
        "lstm",
        "bakker2001",
    ): "2/10 for good, after 6.25 M steps on average; the others for 100s to 1000s of steps",
    ("elman", "bakker2001"): "balances only the first 50 steps",
}


@dataclass(frozen=True)
class BakkerPole(Options):
    """Bakker (2001), section 5: multi-mode pole balancing, LSTM against Elman-BPTT."""

    learners: tuple[Learner, ...] = ("lstm", "elman")
    """Who takes part."""
    preset: PresetName = "bakker2001"
    """Settings of the learners."""
    max_steps: Steps = 10_000_000
    """Budget of a run."""
    eval_freq: Steps = 25_000
    """Steps between two trials of the greedy policy."""
    attempt_steps: Steps | None = None
    """Steps after which a run starts over with new weights; None: never."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for learner in self.learners:
            check_choice("learners", learner, tuple(POLICIES))
        if not self.learners:
            raise ValueError("learners must not be empty")
        check_int("max_steps", self.max_steps, 1)
        check_int("eval_freq", self.eval_freq, 1)
        if self.attempt_steps is not None:
            check_int("attempt_steps", self.attempt_steps, 1)


def study(options: BakkerPole, name: str = "bakker2001-pole") -> Study:
    """The study that the options describe."""
    settings = [
        PoleRun(seed, learner, options.preset, options.max_steps, options.eval_freq, options.attempt_steps)
        for seed in options.seeds
        for learner in options.learners
    ]
    protocol = PROTOCOL.format(
        preset=options.preset,
        runs=options.runs,
        seed=options.seed,
        budget=options.max_steps,
        every=options.eval_freq,
        limit=LIMIT,
        starts=STARTS,
        again="" if options.attempt_steps is None else AGAIN.format(steps=options.attempt_steps),
    )
    return Study(name, protocol, settings, run_pole, table, figures)


def table(rows: list[Row]) -> str:
    """Published beside ours, a line per learner."""
    lines = [
        "| learner | published | success | first attempt | median steps | worst | balance, mode A | mode B | seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for learner in dict.fromkeys(row["learner"] for row in rows):
        runs = [row for row in rows if row["learner"] == learner]
        good = [run["steps"] for run in runs if run["success"]]
        balance = [[run[mode] for run in runs if run[mode] is not None] for mode in ("mean_a", "mean_b")]
        parts = [
            learner,
            PUBLISHED.get((learner, runs[0]["preset"]), "-"),
            success_text(len(good), len(runs)),
            str(sum(run["success"] and run["attempts"] == 1 for run in runs)),
            median_text(good),
            f"{max(good):,}" if good else "-",
            *(median_text(values) for values in balance),
            median_text([run["seconds"] for run in runs]),
        ]
        lines.append(f"| {' | '.join(parts)} |")
    return "\n".join(lines)


def figures(rows: list[Row]) -> dict[str, "Figure"]:
    """How long each run's best weights balance the pole, against the steps that it took to find them."""
    from lstm_rl.studies.figures import balance

    return {"balance": balance(rows, LIMIT)}
