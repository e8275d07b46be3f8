"""`lstm-rl world-model`: train a controller through a recurrent model of the world."""

import shlex
import sys
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import tyro

from lstm_rl.agents.world_model_config import WorldModelConfig
from lstm_rl.checks import check_int
from lstm_rl.cli_types import Kwargs, Steps
from lstm_rl.parser import parse
from lstm_rl.runs import RECORD, check_folder, read_run
from lstm_rl.signals import describe, stop_on_signals

NOT_RECORDED = ("out", "overwrite", "resume", "progress")
"""Fields that say where and how a run is done; config.json leaves them out."""


@dataclass(frozen=True)
class WorldModel:
    """Train a controller by gradients through a recurrent model of the world, after Schmidhuber (1990)."""

    env: tyro.conf.Positional[str]
    """Environment id, as in `lstm-rl envs`, or any Gymnasium id."""
    env_kwargs: Kwargs = field(default_factory=dict)
    """Arguments of the environment, as key=value."""
    reward_range: tuple[float, float] | None = None
    """Least and largest reward of a step; default: what the environment says."""
    seed: int = 0
    """Of weights, exploration and environments."""
    timesteps: Steps = 200_000
    """Environment steps in all."""
    n_envs: int = 1
    """Environments that learn side by side into the same weights."""
    out: Path | None = None
    """Run folder, with a picture of predicted beside real; default: runs/world-model_ENV_seed=SEED."""
    overwrite: bool = False
    """Delete what is there first."""
    resume: bool = False
    """Go on with the interrupted run in this folder, exactly where the environment gives access to its state."""
    progress: bool = True
    """Show a progress bar."""
    config: tyro.conf.OmitArgPrefixes[WorldModelConfig] = field(default_factory=WorldModelConfig)

    def __post_init__(self) -> None:
        check_int("seed", self.seed, 0, 2**31 - 1)
        check_int("timesteps", self.timesteps, 1)
        check_int("n_envs", self.n_envs, 1, 10_000)

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.out or Path("runs") / f"world-model_{self.env.split('/')[-1]}_seed={self.seed}"

    def recorded(self) -> dict[str, Any]:
        """What config.json holds: all but where and how the run is done."""
        return {name: value for name, value in asdict(self).items() if name not in NOT_RECORDED}


def parse_world_model(arguments: list[str]) -> WorldModel:
    """Parse what follows `lstm-rl world-model`; what is not typed is as in the run to resume.

    Raises:
        ValueError: The arguments do not fit, or the folder is no such run.
    """
    prog = "lstm-rl world-model"
    asked: WorldModel = parse(WorldModel, prog=prog, args=arguments)
    if asked.resume and (asked.folder / RECORD).is_file():
        saved: WorldModel = read_run(asked.folder, WorldModel)
        ranges: Any = saved.reward_range and tuple(saved.reward_range)  # JSON has lists
        asked = parse(WorldModel, prog=prog, args=arguments, default=replace(saved, reward_range=ranges))
    return asked


def world_model(command: WorldModel) -> int:
    """`lstm-rl world-model`."""
    check_folder(command, ("out",))
    with stop_on_signals() as stop:
        from lstm_rl.agents import DivergedError
        from lstm_rl.training_world_model import run

        try:
            outcome = run(command, stop)
        except DivergedError as error:
            raise RuntimeError(f"{error}; {command.folder / 'model.zip'} is the last checkpoint") from error
    if outcome.signal is not None:
        kept = f"{command.folder} keeps model, log and monitor.csv of {outcome.steps:,} steps"
        print(f"{describe(outcome.signal)}; {kept}; the same command with --resume goes on", file=sys.stderr)
        return 128 + outcome.signal
    said, folder = f"{command.folder}: ", shlex.quote(str(command.folder))
    if outcome.mean_reward is not None:
        said += f"mean reward {outcome.mean_reward:.4g} of the last {outcome.episodes} training episodes, "
    see = f"see predicted.png; next: lstm-rl evaluate {folder} | tensorboard --logdir {folder}"
    print(f"{said}{outcome.steps:,} steps; {see}")
    return 0
