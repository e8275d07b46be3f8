"""`lstm-rl train`: one run, or many that differ in their seed, with settings from a preset, a file and the command."""

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import tyro

from lstm_rl.checks import check_int
from lstm_rl.config_files import Values, override, read_settings
from lstm_rl.learner_choice import REPLAY_ALGOS, AlgoName, typed
from lstm_rl.parser import parse
from lstm_rl.presets import add_replay
from lstm_rl.runs import RECORD, check_folder, settings_of
from lstm_rl.settings import Settings, from_preset, not_of_replay
from lstm_rl.signals import describe, stop_on_signals

MOST_SEEDS = 10_000
_HELP = {"-h", "--help"}


@dataclass(frozen=True)
class Train:
    """Train an agent with memory; everything about the run goes into one folder. See --algo for the learner."""

    settings: tyro.conf.OmitArgPrefixes[Settings]
    config: Path | None = None
    """A .toml or .json file of settings, as any config.json; what is typed goes before it, the preset comes last."""
    seeds: int = 1
    """Runs with so many seeds, the first of them --seed, each in a run folder of its own within one folder."""
    workers: int = 1
    """Of many seeds: runs side by side, each in a process of its own."""

    def __post_init__(self) -> None:
        check_int("seeds", self.seeds, 1, MOST_SEEDS)
        check_int("workers", self.workers, 1)

    @property
    def runs(self) -> list[Settings]:
        """The settings of each run."""
        if self.seeds == 1:
            return [self.settings]
        return [self.settings.of_seed(self.settings.seed + n) for n in range(self.seeds)]


def parse_train(arguments: list[str]) -> Train:
    """Parse what follows `lstm-rl train`.

    What is not typed is as in the file of ``--config``, then as in the run to resume, then as in the preset. The file's
    arguments of the environment are left out where another environment is typed.

    Raises:
        ValueError: The arguments, or the file, do not fit.
    """
    if _HELP & set(arguments):
        return _show_help([word for word in arguments if word not in _HELP])
    path, values = _file(arguments)
    env_kwargs = values.pop("env_kwargs", {})
    first = _parsed(arguments, override(Settings(tyro.MISSING), values, path))
    asked = first.settings
    if asked.env == values.get("env", asked.env):
        values["env_kwargs"] = env_kwargs
    env_kwargs = values.get("env_kwargs", {}) | asked.env_kwargs
    given = typed(arguments) or list(values.get("config", {}))
    if given and asked.algo == "auto" and asked.of_replay:
        other = "replay" if asked.replay else "device"
        raise ValueError(
            f"{given[0]} and {other} must not be given together: {given[0]} is of algo advantage, {other} of "
            f"{' and '.join(REPLAY_ALGOS)}"
        )
    algo = _algo(asked, env_kwargs, bool(given))
    if algo in REPLAY_ALGOS and given:
        raise ValueError(not_of_replay(algo, given[0]))
    n_envs = asked.n_envs if "n_envs" in values or typed(arguments, ("n_envs",)) else None
    default = from_preset(asked.env, asked.preset, asked.policy, env_kwargs, asked.config.rule, algo, n_envs)
    known = {"env_kwargs": default.env_kwargs | env_kwargs, "algo": algo}
    runs = replace(first, settings=replace(asked, **known)).runs
    if asked.resume and asked.algo == "auto":  # which a run may have begun before it came to mean another learner
        runs += replace(first, settings=replace(asked, **known | {"algo": "auto"})).runs
    begun = [run.folder for run in runs if (run.folder / RECORD).is_file()]
    if asked.resume and begun:
        default = replace(settings_of(begun[0]), seed=asked.seed)
    if values.get("algo") == "auto":
        del values["algo"]
    if path is not None and path.name == RECORD:  # which holds all that the run had, and no preset is to add to
        default = replace(default, replay={})
    default = override(default, values, path)
    command = _parsed(arguments, default)
    settings = command.settings
    resolved = default.algo if settings.algo == "auto" else settings.algo
    whole = default.env_kwargs | settings.env_kwargs
    replay = add_replay(default.replay, settings.replay)
    return replace(command, settings=replace(settings, algo=resolved, env_kwargs=whole, replay=replay))


def _show_help(arguments: list[str]) -> Train:
    """Show the help, which ends the process, with the defaults of the environment that is named, if one is."""
    try:
        default = parse_train(arguments).settings
    except ValueError:
        default = Settings(tyro.MISSING)
    return _parsed(["--help"], default)


def _algo(asked: Settings, env_kwargs: dict[str, Any], given: bool) -> AlgoName:
    """The learner that is asked for, or that settings and environment stand for."""
    if asked.algo != "auto":
        return asked.algo
    return replace(asked, env_kwargs=env_kwargs).resolved().algo if not given else "advantage"


def _file(arguments: list[str]) -> tuple[Path | None, Values]:
    """The file of ``--config`` and what it holds."""
    finder = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    finder.add_argument("--config", type=Path, nargs="?")  # without a value the real parser refuses it
    path: Path | None = finder.parse_known_args(arguments)[0].config
    values = {} if path is None else read_settings(path)
    if path is not None and path.name == RECORD:
        values.setdefault("algo", "advantage")  # before there were others
    return path, values


def _parsed(arguments: list[str], default: Settings) -> Train:
    command: Train = parse(Train, prog="lstm-rl train", args=arguments, default=Train(default))
    return command


def train(command: Train) -> int:
    """`lstm-rl train`."""
    if command.seeds > 1:
        return _train_many(command)
    settings = command.settings
    check_folder(settings)
    with stop_on_signals() as stop:
        from lstm_rl import training
        from lstm_rl.agents import DivergedError

        try:
            outcome = training.run(settings, stop)
        except DivergedError as error:
            raise RuntimeError(str(error)) from error
    print(training.describe(outcome))
    if outcome.signal is None:
        return 0
    how = (
        "exactly from here"
        if outcome.exact
        else "from here, with new episodes: the environment's state cannot be saved"
    )
    print(f"{describe(outcome.signal)}; the same command with --resume goes on {how}", file=sys.stderr)
    return 128 + outcome.signal


def _train_many(command: Train) -> int:
    from lstm_rl import seed_summary
    from lstm_rl.seeds import check_group, run_seeds

    group = command.settings.group
    runs = check_group(command.settings, command.runs)
    with stop_on_signals() as stop:
        outcomes = run_seeds(group, runs, command.workers, command.settings.progress, stop)
    if stop.signal is not None:
        said = f"{describe(stop.signal)}; {sum(outcome.done for outcome in outcomes)} of {len(runs)} runs are done"
        print(f"{said}; the same command with --resume goes on with the others", file=sys.stderr)
        return 128 + stop.signal
    print(seed_summary.describe(group, seed_summary.write_summary(group, command.settings, outcomes)))
    return 1 if any(outcome.error for outcome in outcomes) else 0
