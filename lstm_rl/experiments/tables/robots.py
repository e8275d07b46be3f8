"""A robot in a T-maze: events, control steps, few trials; trained in the twin, tested in MuJoCo."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from lstm_rl.agents.config import Config
from lstm_rl.agents.defaults import TMAZE
from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import robot_run
from lstm_rl.experiments.protocols.robot_run import PPO, RECORD, SOLVED, TRIAL, WITHOUT, RobotRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

SECONDS = 120.0
PROTOCOL = f"""\
`lstm_rl/RobotTMazeEvents-v0` and, without events, `lstm_rl/RobotTMazeTwin-v0`, after Bakker, Linaker & Schmidhuber
(2002) and Bakker, Zhumatiy, Gruener & Schmidhuber (2003), whose sizes and figures are not known:
[assumptions](../../robots.md). A run trains in the compiled twin for at most the episodes of its row (1,000 on events)
and {SECONDS:.0f} CPU seconds, or until it has passed 10 trials in a row (without events 3): {SOLVED:.1%} of {TRIAL}
fresh greedy episodes are right. Then it plays 1,000 greedy episodes of the twin and 200 of MuJoCo (20 from 20 m on).
Success: 99 % right in both. Ours: preset `default`, on events that of the T-mazes, with more than one lamp the default
agent's with `kappa=1, error_memory=0`; without events `gamma=0.998, lambda_=0.98`. Episodes, steps (decisions): medians
over the successful runs; twin, MuJoCo: shares of greedy episodes that are right, medians and the worst of all runs."""
NOTES = """\
"Wall": the robot keeps 2 cm from the wall that it follows, so that its place remembers the side for it; in all other
rows it drives in the middle. "Recorded": the first episodes are recorded with random behaviours, and a network learns
from the record alone; with more rounds, its own behaviour records the next ones. Without events a decision is taken
every 0.1 s, or, with "repeat", every so many."""
GENERAL = replace(Config(), kappa=1.0, error_memory=0)  # the default agent's, as values instead of advantages
LAMP = json.dumps({k: v for k, v in asdict(GENERAL).items() if v != getattr(TMAZE, k)})
STEPS = json.dumps({"gamma": 0.998, "lambda_": 0.98})


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successes, what they cost, and how the last policies do."""
    good, success = successes(runs)
    shares = {
        name: f"{runs[name].median():.3f}, {runs[name].min():.3f}" if runs[name].notna().any() else ""
        for name in ("twin", "mujoco")
    }
    cost = {name: median_text(good[name]) for name in ("episodes", "steps")} if len(good) else {}
    seconds = f"{runs['seconds'].median():.3g}"
    return {"success": success} | cost | {"seconds": seconds, "twin": shares["twin"], "MuJoCo": shares["mujoco"]}


def _rows() -> Iterator[Row]:
    for variant in robot_run.VARIANTS:
        yield Row(f"{variant}, events", RobotRun(variant, overrides="{}" if variant == "basic" else LAMP))
    for variant in robot_run.VARIANTS:
        yield Row(f"without memory, {variant}", RobotRun(variant, method=WITHOUT))
    yield Row("wall, events", RobotRun(gap=0.02))
    yield Row("without memory, wall", RobotRun(method=WITHOUT, gap=0.02))
    for episodes in (20, 50, 100, 200):
        yield Row(f"{episodes} recorded episodes", RobotRun(method=RECORD, max_episodes=episodes))
    for variant in ("irrelevant lamp", "sequence"):
        settings: dict[str, Any] = {"method": RECORD, "max_episodes": 1000, "rounds": 10, "max_seconds": 10 * SECONDS}
        yield Row(f"{variant}, 1,000 recorded episodes in 10 rounds", RobotRun(variant, **settings))
    for stem, repeat in ((1.0, 1), (5.0, 1), (20.0, 1), (80.0, 1), (1.0, 10), (5.0, 10), (20.0, 10), (80.0, 10)):
        settings = {"stem": stem, "events": False, "action_repeat": repeat, "max_episodes": 10**6}
        label = f"control steps, {stem:g} m{f', repeat {repeat}' if repeat > 1 else ''}"
        yield Row(label, RobotRun(overrides=STEPS, **settings, in_a_row=3, mujoco_episodes=200 if stem < 20 else 20))
    for variant in robot_run.VARIANTS:
        yield Row(f"{PPO}, {variant}", RobotRun(variant, method=PPO, max_episodes=10**6, max_seconds=SECONDS))
    yield Row(f"{PPO}, control steps, 1 m", RobotRun(method=PPO, events=False, max_episodes=10**6))


_ABOUT = "a robot in a T-maze: events, control steps, few trials, tested in MuJoCo"
EXPERIMENTS = (
    Experiment("robots", _ABOUT, PROTOCOL, list(_rows()), robot_run.run, score, check=robot_run.check, notes=NOTES),
)
