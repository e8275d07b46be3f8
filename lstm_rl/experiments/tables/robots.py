"""A robot in a T-maze: events, control steps, few trials; trained in the twin, tested in MuJoCo."""

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import robot_run
from lstm_rl.experiments.protocols.robot_run import PPO, RECORD, REPLAY, SOLVED, TRIAL, WITHOUT, RobotRun
from lstm_rl.experiments.statistics import median_text, successes

if TYPE_CHECKING:
    from pandas import DataFrame

SECONDS, REPLAY_SECONDS = 120.0, 300.0
PROTOCOL = f"""\
`lstm_rl/RobotTMazeEvents-v0` and, without events, `lstm_rl/RobotTMazeTwin-v0`, after Bakker, Linaker & Schmidhuber
(2002) and Bakker, Zhumatiy, Gruener & Schmidhuber (2003), whose sizes and figures are not known:
[assumptions](../../robots.md). A run trains in the compiled twin for at most the episodes of its row (on events 1,000,
unless it says more) and {SECONDS:.0f} CPU seconds (replayed: {REPLAY_SECONDS:.0f}), or until it has passed 10 trials
in a row (without events 3): {SOLVED:.1%} of {TRIAL} fresh greedy episodes are right. Then it plays 1,000 greedy
episodes of the twin and 200 of MuJoCo (20 from 20 m on). Success: 99 % right in both. Ours: the default agent, on
events `kappa=1, error_memory=0`, beside an irrelevant lamp also `learning_rate_scale=0.02`; without events
`gamma=0.998, lambda_=0.98`, repeated actions `lambda_=0.9`. Settings were chosen on seeds below 1000. Episodes, steps
(decisions): medians over the successful runs; seconds: CPU, of training; twin, MuJoCo: shares of greedy episodes that
are right, medians and the worst of all runs."""
NOTES = """\
"Wheels": the speeds of the wheels are inputs, too, as on the Khepera and in all rows without events; in the other rows
with events they are not, since events then depend on the behaviour. "Wall": the robot keeps 2 cm from the wall that it
follows, so that its place remembers the side for it; else it drives in the middle. "Replayed": `RecurrentDQN`.
"Recorded": the first episodes are recorded with random behaviours, and networks learn from the record alone; with more
rounds, their own behaviour records the next ones. Without events a decision is taken every 0.1 s (times "repeat")."""
EVENTS = json.dumps({"kappa": 1.0, "error_memory": 0})
LARGER = json.dumps({"kappa": 1.0, "error_memory": 0, "learning_rate_scale": 0.02})
STEPS, REPEATED = (json.dumps({"gamma": 0.998, "lambda_": value}) for value in (0.98, 0.9))


def score(runs: "DataFrame", _: Mapping[str, Any]) -> dict[str, Any]:
    """Successes, what they cost, and how the last policies do."""
    good, success = successes(runs)
    known = [name for name in ("twin", "mujoco") if runs[name].notna().any()]
    shares = {"mujoco": ""} | {name: f"{runs[name].median():.3f}, {runs[name].min():.3f}" for name in known}
    cost = {name: median_text(good[name]) for name in ("episodes", "steps")} if len(good) else {}
    seconds = f"{runs['seconds'].median():.3g}"
    return {"success": success} | cost | {"seconds": seconds, "twin": shares["twin"], "MuJoCo": shares["mujoco"]}


def _rows() -> Iterator[Row]:
    for variant, overrides, repeats in (
        ("basic", EVENTS, 10),
        ("irrelevant lamp", LARGER, 10),
        ("sequence", EVENTS, 3),
    ):
        yield Row(f"{variant}, events", RobotRun(variant, overrides=overrides), repeats=repeats)
    yield Row("sequence, events, 20,000 episodes", RobotRun("sequence", overrides=EVENTS, max_episodes=20_000))
    yield Row("sequence, replayed", RobotRun("sequence", method=REPLAY, max_seconds=REPLAY_SECONDS), repeats=3)
    yield Row("basic, events, wheels", RobotRun(overrides=EVENTS, motors=True), repeats=3)
    for variant in robot_run.VARIANTS:
        yield Row(f"without memory, {variant}", RobotRun(variant, method=WITHOUT, overrides=EVENTS), repeats=2)
    yield Row("wall, events", RobotRun(gap=0.02, overrides=EVENTS), repeats=3)
    yield Row("without memory, wall", RobotRun(method=WITHOUT, gap=0.02, overrides=EVENTS), repeats=3)
    for episodes, repeats in ((20, 3), (50, 10), (100, 3), (200, 3)):
        settings = RobotRun(method=RECORD, max_episodes=episodes)
        yield Row(f"{episodes} recorded episodes", settings, repeats=repeats)
    for variant in ("irrelevant lamp", "sequence"):
        settings = RobotRun(variant, method=RECORD, max_episodes=1000, rounds=8)
        yield Row(f"{variant}, 1,000 recorded episodes in 8 rounds", settings)
    for stem, repeat, repeats in ((1.0, 1, 2), (5.0, 1, 1), (5.0, 10, 2), (20.0, 10, 1)):
        overrides, episodes = (STEPS if repeat == 1 else REPEATED), (200 if stem < 20 else 20)
        kwargs: dict[str, Any] = {"stem": stem, "action_repeat": repeat, "mujoco_episodes": episodes}
        settings = RobotRun(events=False, motors=True, max_episodes=10**6, in_a_row=3, overrides=overrides, **kwargs)
        label = f"control steps, {stem:g} m{f', repeat {repeat}' if repeat > 1 else ''}"
        yield Row(label, settings, repeats=repeats)
    yield Row(f"{PPO}, basic", RobotRun(method=PPO, max_episodes=10**6))
    yield Row(f"{PPO}, control steps, 1 m", RobotRun(method=PPO, events=False, motors=True, max_episodes=10**6))


ABOUT = "a robot in a T-maze: events, control steps, few trials, tested in MuJoCo"
EXTRAS: dict[str, Any] = {"check": robot_run.check, "notes": NOTES, "runs": 1, "seed": 2000}
EXPERIMENTS = (Experiment("robots", ABOUT, PROTOCOL, list(_rows()), robot_run.run, score, **EXTRAS),)
