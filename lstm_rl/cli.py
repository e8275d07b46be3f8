"""The command line: dataclasses become commands; what they do is elsewhere and imported when needed."""

import io
import json
import os
import re
import sys
import warnings
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from lstm_rl.checks import check_int
from lstm_rl.envs.checked import place_of
from lstm_rl.experiments.commands import Experiments, Reproduce, Table, experiments, reproduce, table
from lstm_rl.runs import check_folder, settings_of
from lstm_rl.settings import MOST, Settings, from_preset
from lstm_rl.signals import describe, signal_of, stop_on_signals, terminate_on_signals


@dataclass(frozen=True)
class Envs:
    """List the environments, one line each."""


@dataclass(frozen=True)
class Evaluate:
    """Play fresh episodes with a trained model and report success."""

    run: tyro.conf.Positional[Path]
    """Run folder."""
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
    """Run folder."""
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
    """Run folder."""
    seed: int = 0
    """Of the episode."""
    max_steps: int | None = None
    """Truncate the episode after this many steps; default: as the run's environment does, or 50 horizons."""
    out: Path | None = None
    """Folder of pictures and numbers; default: "diagnose" in the run folder."""
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
    | Annotated[Settings, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Watch, tyro.conf.subcommand("watch")]
    | Annotated[Experiments, tyro.conf.subcommand("experiments")]
    | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[Diagnose, tyro.conf.subcommand("diagnose")]
)


def _parse(arguments: list[str]) -> Any:
    """Parse a command; a preset's settings, or those of the run to resume, are the defaults of the fields.

    Raises:
        ValueError: The arguments do not fit.
    """
    command = _tyro(Command, prog="lstm-rl", args=arguments, description="Reinforcement learning with memory.")
    if isinstance(command, Settings):
        rule = command.config.rule
        default = from_preset(command.env, command.preset, command.policy, command.env_kwargs, rule)
        env_kwargs = default.env_kwargs | command.env_kwargs
        folder = replace(command, env_kwargs=env_kwargs).folder
        if command.resume and (folder / "config.json").is_file():
            default = settings_of(folder)
        command = _tyro(Settings, prog="lstm-rl train", args=arguments[1:], default=default)
        command = replace(command, env_kwargs=default.env_kwargs | command.env_kwargs)
    return command


_ASIDES = ("For full help", "Argument help", "Arguments similar to", "Arguments are applied")
_REWORDED = (
    (r"^Error parsing (\S*(config|study|what)|Settings): (.*); see --help", r"\3"),  # a check of our own
    (r"no type matching .* Got errors: .*: (must be [^;]*)", r"\1"),
    (
        r"no type matching \{None\}\|(\S*) could be instantiated from \[(.*?)\]\. Got errors[^;]*",
        r"must be None or \1, got \2",
    ),
    (r"^Error parsing (--\S+): must", r"\1 must"),
)
"""What the parser says, and how we say it."""


def _tyro(*arguments: Any, **keywords: Any) -> Any:
    """`tyro.cli` whose errors are one sentence, out of the box that it draws around them."""
    box = io.StringIO()
    try:
        with redirect_stderr(box):
            return tyro.cli(*arguments, **keywords)
    except SystemExit as end:
        if not end.code:
            raise
        parts = re.split(r"\n[ │╰]*[─-]{3,}.*", "\n" + box.getvalue().partition("\n")[2])  # between horizontal lines
        sentences = [" ".join(part.replace("│", " ").split()).rstrip(".") for part in parts]
        sentences[:] = [text for text in sentences if text and not text.startswith(_ASIDES)]
        text = "; ".join([*sentences, "see --help"])
        for pattern, instead in _REWORDED:
            text = re.sub(pattern, instead, text)
        raise ValueError(text) from None


def train(settings: Settings) -> int:
    """`lstm-rl train`."""
    check_folder(settings)
    with stop_on_signals() as stop:
        from lstm_rl.agents import DivergedError
        from lstm_rl.training import describe as told
        from lstm_rl.training import run

        try:
            outcome = run(settings, stop)
        except DivergedError as error:
            raise RuntimeError(str(error)) from error
    print(told(outcome))
    if outcome.signal is None:
        return 0
    how = (
        "exactly from here"
        if outcome.exact
        else "from here, with new episodes: the environment's state cannot be saved"
    )
    print(f"{describe(outcome.signal)}; the same command with --resume goes on {how}", file=sys.stderr)
    return 128 + outcome.signal


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
        Settings: train,
        Evaluate: evaluate,
        Watch: watch,
        Experiments: experiments,
        Reproduce: reproduce,
        Table: table,
        Diagnose: diagnose,
    }
    try:
        command = _parse(sys.argv[1:] if arguments is None else arguments)
        with warnings.catch_warnings(), terminate_on_signals():
            warnings.showwarning = _show_warning
            result: int = actions[type(command)](command)
        sys.stdout.flush()
        return result
    except KeyboardInterrupt as error:
        print(f"lstm-rl: {describe(signal_of(error))}", file=sys.stderr)
        return 128 + signal_of(error)
    except Exception as error:
        place = place_of(error)
        if place is None and isinstance(error, BrokenPipeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        if place is not None:  # an environment's own mistake, whatever it is
            said = " ".join(str(error).split())
            print(f"lstm-rl: {place}: {type(error).__name__}{': ' if said else ''}{said}", file=sys.stderr)
            return 1
        if isinstance(error, (ValueError, TypeError, OverflowError)):
            print(f"lstm-rl: {error}", file=sys.stderr)
            return 2
        if isinstance(error, (RuntimeError, OSError, MemoryError)):  # a run that diverged, a full disk
            print(f"lstm-rl: {error}", file=sys.stderr)
            return 1
        raise


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning as a sentence, without a place in the code and without the colours of Gymnasium's."""
    text = re.sub(r"\x1b\[\d*m", "", str(message)).removeprefix("WARN: ").strip()
    print(f"lstm-rl: {text}", file=sys.stderr)
