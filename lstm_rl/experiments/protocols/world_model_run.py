"""One run of a controller and its world model: when does it do the task?

Protocol: every so many steps the controller is tried, frozen and without exploration, on streams of its own; training
ends when it succeeds, or with the budget. Of the flip-flop that is a mean pain below .01 over 1,000 events; a stricter
count besides: an error of .1 or more, pain .01, at no more than 10 steps in all of them. Of the pole it is no fall
within 100,000 steps from 10 starts. A quick trial comes first, then the whole one.
"""

import json
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from lstm_rl.checks import check_choice, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report

Task = Literal["flip-flop", "pole", "multimode-pole"]
ROWS = 10  # streams of a trial
EVENTS, BALANCED = 1_000, 100_000  # of a whole trial: events together, steps of each start
FAULTS = 10  # steps of a whole trial with an error of .1 or more, at most, for a success by the stricter count


@dataclass(frozen=True)
class WorldModelRun:
    """Everything that a run depends on."""

    seed: int = 0
    task: Task = "flip-flop"
    lag: int | None = None
    """Of the flip-flop: steps between A and B; None: at random."""
    units: str = "lstm"
    """See `WorldModelConfig`; "recurrent" is the network of 1990."""
    regime: str = "parallel"
    """See `WorldModelConfig`."""
    overrides: str = "{}"
    """Fields of `WorldModelConfig`, as JSON."""
    n_envs: int = 1
    """Environments side by side, >= 1."""
    max_steps: int = 1_000_000
    """Budget in steps of all environments, >= 1."""
    eval_freq: int = 20_000
    """Steps between two trials."""

    def __post_init__(self) -> None:
        check_choice("task", self.task, get_args(Task))
        for name in ("n_envs", "max_steps", "eval_freq"):
            check_int(name, getattr(self, name), 1)


def config(settings: WorldModelRun) -> Any:
    """The configuration of a run."""
    from lstm_rl.agents.world_model_config import PUBLISHED, WorldModelConfig

    base = PUBLISHED if settings.units == "recurrent" else WorldModelConfig(units=settings.units)  # type: ignore[arg-type]
    values: dict[str, Any] = json.loads(settings.overrides)
    return replace(base, regime=settings.regime, **values)  # type: ignore[arg-type]


def check(settings: WorldModelRun) -> None:
    """Raise ``ValueError`` for settings that cannot be run."""
    try:
        config(settings)
    except TypeError as error:
        raise ValueError(f"overrides must be fields of WorldModelConfig, got {settings.overrides}: {error}") from error


def run(settings: WorldModelRun, report: "Report") -> dict[str, Any]:
    """Train and try; see the module.

    Returns:
        success; strict: whether it was one with at most `FAULTS` faults; steps of training until the trial that
        succeeded, or all; faults of the last trial; pain per step in it; trial_steps: steps of all trials; seconds of
        CPU; diverged.
    """
    from gymnasium import make_vec
    from gymnasium.vector import AutoresetMode
    from stable_baselines3.common.callbacks import BaseCallback

    import lstm_rl.envs  # noqa: F401
    from lstm_rl.agents.advantage_learning import DivergedError
    from lstm_rl.agents.world_model_controller import WorldModelController
    from lstm_rl.envs.sb3 import GymnasiumVecEnv

    env_id, arguments = _world(settings)
    envs = make_vec(env_id, settings.n_envs, autoreset_mode=AutoresetMode.SAME_STEP, **arguments)
    model = WorldModelController("WorldModelPolicy", GymnasiumVecEnv(envs), config(settings), seed=settings.seed)
    every = max(1, settings.eval_freq // settings.n_envs)

    class Trials(BaseCallback):
        """Stops when the controller succeeds."""

        faults, pain, trial_steps, good = -1, float("nan"), 0, False

        def steps_until_next(self) -> int:
            return every - self.n_calls % every

        def _on_step(self) -> bool:
            report(self.num_timesteps)
            if self.n_calls % every:
                return True
            for part in (0.02, 1.0):
                self.faults, self.pain, steps = try_out(model.policy, settings, part, 10**6 + self.num_timesteps)
                self.trial_steps += steps
                self.good = succeeds(settings, self.faults, self.pain)
                if not self.good:
                    break
            return not self.good

    trials, begun, diverged = Trials(), time.process_time(), False
    try:
        model.learn(settings.max_steps, trials, log_interval=None)
    except DivergedError:
        diverged = True
    return {
        "success": trials.good,
        "strict": trials.good and trials.faults <= FAULTS,
        "steps": model.num_timesteps,
        "faults": trials.faults,
        "pain": trials.pain,
        "trial_steps": trials.trial_steps,
        "seconds": round(time.process_time() - begun, 1),
        "diverged": diverged,
    }


def _world(settings: WorldModelRun) -> tuple[str, dict[str, Any]]:
    if settings.task == "flip-flop":
        return "lstm_rl/FlipFlop-v0", {"lag": settings.lag, "max_steps": 10 * (settings.lag or 100)}
    return "lstm_rl/ForcePole-v0" if settings.task == "pole" else "lstm_rl/MultimodeForcePole-v0", {}


def succeeds(settings: WorldModelRun, faults: int, pain: float) -> bool:
    """Whether a trial, or a part of one, counts as success."""
    return pain < 0.01 if settings.task == "flip-flop" else faults == 0


def try_out(policy: Any, settings: WorldModelRun, part: float, seed: int) -> tuple[int, float, int]:
    """A part of a trial: faults, pain per step, and steps at most."""
    from lstm_rl.agents.world_model_trainer import play
    from lstm_rl.envs.dynamics import make_world
    from lstm_rl.envs.flip_flop import flip_flop

    if settings.task == "flip-flop":
        per_event = 4 if settings.lag is None else settings.lag  # A or B comes at one of four steps
        steps = max(int(part * EVENTS * per_event / ROWS), 4 * per_event)
        played = play(policy, flip_flop(lag=settings.lag, max_steps=None), ROWS, steps, seed)
        return played.painful, played.pain, steps * ROWS
    steps = int(part * BALANCED)
    name = "force_pole" if settings.task == "pole" else "multimode_force_pole"
    played = play(policy, make_world(f"lstm_rl.envs.force_pole:{name}", {"max_steps": None}), ROWS, steps, seed)
    return len({row for row, *_ in played.episodes}), played.pain, steps * ROWS
