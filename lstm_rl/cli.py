"""The command line: dataclasses become commands; what they do is elsewhere and imported when needed."""

import json
import os
import sys
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from lstm_rl.checks import check_int
from lstm_rl.commands.export import Export, export
from lstm_rl.commands.models import Models, models
from lstm_rl.commands.plot import Plot, plot
from lstm_rl.commands.train import Train, parse_train, train
from lstm_rl.commands.tune import Tune, tune
from lstm_rl.envs.checked import place_of
from lstm_rl.experiments.commands import Experiments, Reproduce, Table, experiments, reproduce, table
from lstm_rl.messages import sentence_of, show_warning
from lstm_rl.parser import parse
from lstm_rl.settings import MOST
from lstm_rl.signals import describe, signal_of, terminate_on_signals


@dataclass(frozen=True)
class Envs:
    """List the environments, one line each."""


@dataclass(frozen=True)
class Evaluate:
    """Play fresh episodes with a trained model and report success."""

    run: tyro.conf.Positional[Path]
    """Run folder, or model:NAME as in `lstm-rl models`."""
    episodes: int = 100
    """How many."""
    seed: int = 0
    """Of the episodes."""
    max_steps: int | None = None
    """Truncate episodes after this many steps; default: as the run's environment does, or 50 horizons."""
    stochastic: bool = False
    """Act with the learner's own exploration instead of greedily."""
    which: Literal["best", "last"] = "best"
    """The best checkpoint or the last."""
    json: bool = False
    """Print one JSON object as the last line."""


@dataclass(frozen=True)
class Watch:
    """Watch a trained model play."""

    run: tyro.conf.Positional[Path]
    """Run folder, or model:NAME as in `lstm-rl models`."""
    episodes: int = 3
    """How many."""
    seed: int = 0
    """Of the episodes."""
    max_steps: int | None = None
    """Truncate episodes after this many steps; default: as the run's environment does, or 50 horizons."""
    video: Path | None = None
    """Write a .gif or .mp4 file instead of opening a window."""
    which: Literal["best", "last"] = "best"
    """The best checkpoint or the last."""


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


Command = (
    Annotated[Envs, tyro.conf.subcommand("envs")]
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Tune, tyro.conf.subcommand("tune")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Watch, tyro.conf.subcommand("watch")]
    | Annotated[Plot, tyro.conf.subcommand("plot")]
    | Annotated[Export, tyro.conf.subcommand("export")]
    | Annotated[Models, tyro.conf.subcommand("models")]
    | Annotated[Experiments, tyro.conf.subcommand("experiments")]
    | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[Diagnose, tyro.conf.subcommand("diagnose")]
)


def _parse(arguments: list[str]) -> Any:
    """Parse a command.

    Raises:
        ValueError: The arguments do not fit.
    """
    if arguments[:1] == ["train"]:  # what its fields have by default depends on the environment, a file and a run
        return parse_train(arguments[1:])
    return parse(Command, prog="lstm-rl", args=arguments, description="Reinforcement learning with memory.")


def _loaded(command: Evaluate | Watch) -> tuple[Any, str, dict[str, Any]]:
    from lstm_rl.evaluation import load
    from lstm_rl.make import limited

    model, env_id, env_kwargs = load(command.run, command.which)
    check_int("episodes", command.episodes, 1, MOST["eval_episodes"])
    return model, env_id, limited(env_id, env_kwargs, command.max_steps)


def _check_display() -> None:
    """Refuse a window that nobody would see; SDL_VIDEODRIVER is for those who know what they want."""
    lacking = sys.platform == "linux" and not any(
        map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"))
    )
    if lacking:
        raise ValueError("watch needs a display, but DISPLAY and WAYLAND_DISPLAY are not set: use --video FILE.gif")


def evaluate(command: Evaluate) -> int:
    """`lstm-rl evaluate`."""
    from lstm_rl.evaluation import evaluate as play

    model, env_id, env_kwargs = _loaded(command)
    result = play(model, env_id, env_kwargs, command.episodes, command.seed, not command.stochastic)
    rate = result["success_rate"]
    success = "" if rate is None else f"{rate:.1%} success, "
    print(
        f"{command.run}: {result['episodes']} episodes, {success}"
        f"mean reward {result['mean_reward']:.4g}, mean length {result['mean_length']:.4g}"
    )
    if command.json:
        print(json.dumps(result))
    return 0


def watch(command: Watch) -> int:
    """`lstm-rl watch`."""
    from lstm_rl.evaluation import frames, write_video

    if command.video is not None and command.video.suffix not in (".gif", ".mp4"):
        raise ValueError(f"video must be a .mp4 or .gif file, got {command.video}")
    model, env_id, env_kwargs = _loaded(command)
    if command.video is None:
        _check_display()
    pictures, fps = frames(model, env_id, env_kwargs, command.episodes, command.seed, command.video is None)
    if command.video is not None:
        write_video(command.video, pictures, fps)
        print(f"{command.video}: {command.episodes} episodes, {len(pictures)} pictures")
    return 0


def diagnose(command: Diagnose) -> int:
    """`lstm-rl diagnose`."""
    from lstm_rl.diagnostics.diagnose import diagnose_networks, diagnose_run

    of = command.what
    if isinstance(of, DiagnoseNetworks):
        print(diagnose_networks(of.units, of.lags, of.seed, of.out, of.progress))
    else:
        print(diagnose_run(of.run, of.which, of.seed, of.max_steps, of.out))
    return 0


def envs(_: Envs) -> int:
    """`lstm-rl envs`."""
    from lstm_rl.envs import SEQUENCES, WORLDS

    for env_id, (_world, line) in WORLDS.items():
        print(f"{env_id:36} {line}")
    print(f"{SEQUENCES:36} a classical sequence task, a question at a time; task=NAME, e.g. hs1997-adding")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0, 1 for a failed run, 2 for bad input, 128 + n for signal n."""
    actions: dict[type, Any] = {
        Envs: envs,
        Train: train,
        Tune: tune,
        Evaluate: evaluate,
        Watch: watch,
        Plot: plot,
        Export: export,
        Models: models,
        Experiments: experiments,
        Reproduce: reproduce,
        Table: table,
        Diagnose: diagnose,
    }
    try:
        command = _parse(sys.argv[1:] if arguments is None else arguments)
        with warnings.catch_warnings(), terminate_on_signals():
            warnings.showwarning = show_warning
            result: int = actions[type(command)](command)
        sys.stdout.flush()
        return result
    except KeyboardInterrupt as error:
        print(f"lstm-rl: {describe(signal_of(error))}", file=sys.stderr)
        return 128 + signal_of(error)
    except Exception as error:
        if isinstance(error, BrokenPipeError) and place_of(error) is None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        said = sentence_of(error)
        if said is None:
            raise
        print(f"lstm-rl: {said[0]}", file=sys.stderr)
        return said[1]
