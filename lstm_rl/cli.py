"""The command line: dataclasses become commands; what they do is elsewhere and imported when needed."""

import ast
import io
import json
import os
import re
import sys
import warnings
from contextlib import redirect_stderr
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from lstm_rl.agents.config import Config
from lstm_rl.cli_types import Steps
from lstm_rl.experiments.commands import Experiments, Reproduce, Table, experiments, reproduce, table
from lstm_rl.presets import PolicyName, PresetName, preset


@dataclass(frozen=True)
class Envs:
    """List the environments, one line each."""


@dataclass(frozen=True)
class Train:
    """Train an LSTM by Advantage(lambda) on an environment; everything about the run goes into one folder."""

    env: tyro.conf.Positional[str]
    """Environment id, as in `lstm-rl envs`, or any Gymnasium id."""
    env_kwargs: tuple[str, ...] = ()
    """Arguments of the environment, as key=value."""
    preset: PresetName = "default"
    """Settings to start from; fields given here override them."""
    policy: PolicyName = "LstmPolicy"
    """LSTM, Elman net by BPTT, GRU or sLSTM in Torch, or a table with memory bits."""
    seed: int = 0
    """Of weights, exploration and environments."""
    timesteps: Steps | None = None
    """Environment steps in all; default: the preset's."""
    n_envs: int = 1
    """Environments that learn side by side into the same weights."""
    eval_freq: Steps | None = None
    """Steps between evaluations; default: a 25th of the timesteps."""
    eval_episodes: int = 200
    """Greedy episodes per evaluation."""
    stop_when_solved: bool = False
    """Stop at the second evaluation in a row without a failure."""
    log_dir: Path = Path("runs")
    """Folder of run folders."""
    run_name: str | None = None
    """Name of the run folder; default: made from environment, preset and seed."""
    overwrite: bool = False
    """Delete a run folder of this name first."""
    resume: bool = False
    """Go on with the interrupted run of this name, exactly as if it had not been interrupted."""
    progress: bool = True
    """Show a progress bar."""
    config: tyro.conf.OmitArgPrefixes[Config] = field(default_factory=Config)


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
    | Annotated[Train, tyro.conf.subcommand("train")]
    | Annotated[Evaluate, tyro.conf.subcommand("evaluate")]
    | Annotated[Watch, tyro.conf.subcommand("watch")]
    | Annotated[Experiments, tyro.conf.subcommand("experiments")]
    | Annotated[Reproduce, tyro.conf.subcommand("reproduce")]
    | Annotated[Table, tyro.conf.subcommand("table")]
    | Annotated[Diagnose, tyro.conf.subcommand("diagnose")]
)


def parse_kwargs(pairs: tuple[str, ...]) -> dict[str, Any]:
    """Environment arguments from key=value pairs; values are Python literals, anything else is a string.

    Raises:
        ValueError: A pair without "=".
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        key, equals, text = pair.partition("=")
        if not equals or not key.isidentifier():
            raise ValueError(f"env-kwargs must be key=value pairs, got {pair!r}")
        try:
            values[key] = ast.literal_eval(text)
        except (ValueError, SyntaxError):
            values[key] = text
    return values


def _parse(arguments: list[str]) -> Any:
    """Parse a command; a preset's settings are the defaults of the fields.

    Raises:
        ValueError: The arguments do not fit.
    """
    command = _tyro(Command, prog="lstm-rl", args=arguments, description="Reinforcement learning with memory.")
    if isinstance(command, Train):
        chosen = preset(command.preset, command.env, command.policy)
        default = Train(env=tyro.MISSING, config=chosen.config)
        command = _tyro(Train, prog="lstm-rl train", args=arguments[1:], default=default)
        values = chosen.env_kwargs | parse_kwargs(command.env_kwargs)
        command = replace(command, env_kwargs=tuple(f"{key}={value!r}" for key, value in values.items()))
    return command


_ASIDES = ("For full help", "Argument help", "Arguments similar to", "Arguments are applied")


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
        raise ValueError(re.sub(r"^Error parsing \S*(config|method|what): ", "", text)) from None


def _run_name(command: Train) -> str:
    parts = [command.env.split(":")[-1].split("/")[-1], *command.env_kwargs]
    if command.preset != "default":
        parts.append(command.preset)
    if command.policy != "LstmPolicy":
        parts.append(command.policy)
    text = "_".join([*parts, f"seed={command.seed}"])
    return "".join(letter if letter.isalnum() or letter in "=.-_" else "-" for letter in text)


def train(command: Train) -> int:
    """`lstm-rl train`."""
    folder = command.log_dir / (command.run_name or _run_name(command))
    if command.log_dir.exists() and not command.log_dir.is_dir():
        raise ValueError(f"log-dir must be a folder, got {command.log_dir}, which is a file")
    if command.resume and not (folder / "model.zip").is_file():
        raise ValueError(f"resume must name an interrupted run with a model.zip, got {folder}")
    if folder.exists() and not command.resume:
        if not command.overwrite:
            raise ValueError(f"run folder {folder} exists: choose another --run-name, or --overwrite or --resume it")
        _check_overwrite(folder)
    from lstm_rl import training

    budget = preset(command.preset, command.env).timesteps if command.timesteps is None else command.timesteps
    settings = training.Settings(
        command.env,
        parse_kwargs(command.env_kwargs),
        command.preset,
        command.policy,
        command.seed,
        budget,
        command.n_envs,
        max(1, budget // 25) if command.eval_freq is None else command.eval_freq,
        command.eval_episodes,
        command.stop_when_solved,
        command.config,
    )
    if command.resume:
        saved = training.settings_of(folder)
        kept = {"timesteps": command.timesteps, "eval_freq": command.eval_freq}  # where not given, as they were
        settings = replace(settings, **{name: getattr(saved, name) for name, value in kept.items() if value is None})
        _check_same(asdict(settings), asdict(saved))
    outcome = training.run(settings, folder, command.resume, command.progress, command.overwrite)
    print(training.describe(outcome))
    if outcome.interrupted:
        print("interrupted; the same command with --resume goes on exactly from here", file=sys.stderr)
        return 130
    return 0


def _check_overwrite(folder: Path) -> None:
    """Let nothing be deleted that is not a run."""
    from lstm_rl.runs import read_config

    if not folder.is_dir() or any(folder.iterdir()):
        try:
            read_config(folder)
        except ValueError as error:
            raise ValueError(f"overwrite must name a run folder, got {folder}: {error}") from error


def _check_same(asked: dict[str, Any], saved: dict[str, Any]) -> None:
    """Refuse to resume with other settings than the run's own, the number of time steps aside."""
    asked, saved = (json.loads(json.dumps(values | values["config"])) for values in (asked, saved))
    for name, value in saved.items():
        if asked[name] != value and name not in ("timesteps", "config"):
            raise ValueError(f"{name} must be {value!r}, as in the run to resume, got {asked[name]!r}")


def _loaded(run: Path, which: str, max_steps: int | None) -> tuple[Any, str, dict[str, Any]]:
    from lstm_rl.evaluation import load
    from lstm_rl.make import limited

    model, env_id, env_kwargs = load(run, which)
    return model, env_id, limited(env_id, env_kwargs, max_steps)


def evaluate(command: Evaluate) -> int:
    """`lstm-rl evaluate`."""
    from lstm_rl.evaluation import evaluate as play

    model, env_id, env_kwargs = _loaded(command.run, command.which, command.max_steps)
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
    model, env_id, env_kwargs = _loaded(command.run, command.which, command.max_steps)
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
        print(f"{env_id:26} {line}")
    print(f"{SEQUENCES:26} a classical sequence task, a question at a time; task=hs1997-adding, ...")
    return 0


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return the exit code: 0, 1 for a failed run, 2 for bad input, 130 for an interrupt."""
    actions: dict[type, Any] = {
        Envs: envs,
        Train: train,
        Evaluate: evaluate,
        Watch: watch,
        Experiments: experiments,
        Reproduce: reproduce,
        Table: table,
        Diagnose: diagnose,
    }
    try:
        command = _parse(sys.argv[1:] if arguments is None else arguments)
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            result: int = actions[type(command)](command)
        sys.stdout.flush()
        return result
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, TypeError) as error:
        print(f"lstm-rl: {error}", file=sys.stderr)
        return 2
    except (RuntimeError, OSError) as error:  # a run that diverged, a full disk
        print(f"lstm-rl: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("lstm-rl: interrupted", file=sys.stderr)
        return 130


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Show a warning as a sentence, without a place in the code."""
    print(f"lstm-rl: {message}", file=sys.stderr)
