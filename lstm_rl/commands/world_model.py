"""`lstm-rl world-model`: train a controller through a recurrent model of the world."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import tyro

from lstm_rl.agents.world_model_config import WorldModelConfig
from lstm_rl.checks import check_int
from lstm_rl.cli_types import Kwargs, Steps


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
    """Folder for model, log and a picture of predicted beside real; default: runs/world-model_ENV_seed=SEED."""
    overwrite: bool = False
    """Write over what is there."""
    progress: bool = True
    """Show a progress bar."""
    config: tyro.conf.OmitArgPrefixes[WorldModelConfig] = field(default_factory=WorldModelConfig)

    def __post_init__(self) -> None:
        check_int("seed", self.seed, 0, 2**31 - 1)
        check_int("timesteps", self.timesteps, 1)
        check_int("n_envs", self.n_envs, 1, 10_000)


def world_model(command: WorldModel) -> int:
    """`lstm-rl world-model`."""
    folder = command.out or Path("runs") / f"world-model_{command.env.split('/')[-1]}_seed={command.seed}"
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"out must be a folder, got {folder}, which is a file")
    if (folder / "model.zip").exists() and not command.overwrite:
        raise ValueError(f"{folder} holds a model: choose another --out, or --overwrite it")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "model.zip").exists():
        raise ValueError(f"out must be a new or empty folder, got {folder}, which holds other files")

    from stable_baselines3.common.callbacks import BaseCallback
    from tqdm import tqdm

    from lstm_rl.agents.world_model_controller import WorldModelController
    from lstm_rl.atomic import atomic_write
    from lstm_rl.diagnostics.figures import save
    from lstm_rl.diagnostics.predictions import predicted_beside_real
    from lstm_rl.make import limited, make_env, make_rows
    from lstm_rl.run_lock import folder_lock
    from lstm_rl.runs import tensorboard

    own = make_env(command.env, limited(command.env, command.env_kwargs))
    rows = make_rows(command.env, command.env_kwargs, command.n_envs)
    ranges: Any = command.reward_range
    model = WorldModelController("WorldModelPolicy", rows, command.config, ranges, seed=command.seed)

    class Bar(BaseCallback):
        chunked = True  # calls at the ends of chunks will do

        def _on_step(self) -> bool:
            bar.update(self.num_timesteps - bar.n)
            return True

    with folder_lock(folder):
        with atomic_write(folder / "config.json") as part:
            part.write_text(json.dumps(asdict(command) | {"out": str(folder)}, indent=2) + "\n")
        model.set_logger(tensorboard(folder))
        bar = tqdm(total=command.timesteps, unit="step", unit_scale=True, disable=not command.progress)
        try:
            model.learn(command.timesteps, Bar())
        finally:  # an interrupt leaves what has been learned
            bar.close()
            model.save(folder / "model.zip")
        save(predicted_beside_real(model.policy, own), folder / "predicted.png")
        model.logger.close()
    rewards = [episode["r"] for episode in model.ep_info_buffer or ()]
    told = (
        f"mean reward {sum(rewards) / len(rewards):.4g} of the last {len(rewards)} training episodes, "
        if rewards
        else ""
    )
    print(f"{folder}: {told}{model.num_timesteps:,} steps; see predicted.png, or: tensorboard --logdir {folder}")
    return 0
