"""`lstm-rl diagnose`: where errors get on their way back through time, and what activations do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro


@dataclass(frozen=True)
class DiagnoseNetworks:
    """How errors vanish, explode or stay on their way back through untrained networks, measured against theory."""

    units: int = 8
    """Units of each network."""
    lags: int = 1000
    """Steps back."""
    seed: int = 0
    """Of weights and inputs."""
    out: Path = Path("results/error-flow")
    """Folder of pictures and numbers."""
    progress: bool = True
    """Show a progress bar."""


@dataclass(frozen=True)
class DiagnoseRun:
    """One greedy episode of a trained model: what its network did, and which steps its decision's error reaches."""

    run: tyro.conf.Positional[Path]
    """Run folder, or model:NAME as in `lstm-rl models`."""
    seed: int = 0
    """Of the episode."""
    max_steps: int | None = None
    """Truncate the episode after this many steps; default: as the run's environment does, or 50 horizons."""
    out: Path | None = None
    """Folder of pictures and numbers; default: "diagnose" in the run folder, or diagnose-NAME here for a model:NAME."""
    which: Literal["best", "last"] = "best"
    """The best checkpoint or the last."""


@dataclass(frozen=True)
class Diagnose:
    """Look into networks: where errors get on their way back through time, and what activations do."""

    what: tyro.conf.OmitArgPrefixes[
        Annotated[DiagnoseNetworks, tyro.conf.subcommand("error-flow", prefix_name=False)]
        | Annotated[DiagnoseRun, tyro.conf.subcommand("run", prefix_name=False)]
    ]


def diagnose(command: Diagnose) -> int:
    """`lstm-rl diagnose`."""
    from lstm_rl.diagnostics.diagnose import diagnose_networks, diagnose_run

    of = command.what
    if isinstance(of, DiagnoseNetworks):
        print(diagnose_networks(of.units, of.lags, of.seed, of.out, of.progress))
    else:
        print(diagnose_run(of.run, of.which, of.seed, of.max_steps, of.out))
    return 0
