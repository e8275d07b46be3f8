"""`lstm-rl tune`: look for better settings of an environment by an Optuna study."""

import shlex
import sys
import time
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tyro

from lstm_rl.agents.config import Config, Rule
from lstm_rl.checks import check_choice, check_int, nearest, needs_extra
from lstm_rl.cli_types import Kwargs, Steps
from lstm_rl.presets import PolicyName, PresetName
from lstm_rl.settings import MOST, Settings, from_preset
from lstm_rl.tuning import Objective, Pruner, Sampler

if TYPE_CHECKING:
    from lstm_rl.tuning.study import Plan


@dataclass(frozen=True)
class Tune:
    """Look for better settings of an environment by an Optuna study; the same command goes on with it, or joins it."""

    env: tyro.conf.Positional[str]
    """Environment id, as in `lstm-rl envs`, or any Gymnasium id."""
    env_kwargs: Kwargs = field(default_factory=dict)
    """Arguments of the environment, as key=value."""
    preset: PresetName = "default"
    """Settings to start from: the first trial."""
    policy: PolicyName = "LstmPolicy"
    """LSTM, Elman net by BPTT, GRU or sLSTM in Torch, or a table with memory bits."""
    rule: Rule | None = None
    """The learning rule; default: as `lstm-rl train`."""
    set: Kwargs = field(default_factory=dict)
    """Settings that all trials share instead of the preset's, as key=value: any option of `lstm-rl train`'s learner."""
    fields: tuple[str, ...] = ()
    """Only these settings are searched; default: all of lstm_rl.agents.search_space."""
    trials: int = 100
    """Of the study in all; the first has the default settings."""
    timesteps: Steps = 100_000
    """Environment steps of a run."""
    seeds: int = 1
    """Runs of a trial, whose value is their mean."""
    seed: int = 0
    """The first of their seeds, the same for all trials; and of the sampler."""
    n_envs: int = 1
    """Environments that learn side by side into the same weights."""
    evaluations: int = 9
    """Of each run, evenly spaced."""
    eval_episodes: int = 25
    """Greedy episodes per evaluation."""
    objective: Objective = "return"
    """Mean return over the last third of evaluations, to be high; or steps to two evaluations in a row without a
    failure, to be few."""
    sampler: Sampler = "tpe"
    """Of Optuna; cmaes needs the package cmaes, gp scipy."""
    pruner: Pruner = "median"
    """Of Optuna: which trials end early."""
    workers: int = 1
    """Processes that work on the study; further ones may join from other terminals."""
    storage: str | None = None
    """URL of a database, as sqlite:///tune.db, or a file: .log is Optuna's journal, .db or .sqlite3 SQLite; default:
    study.log in the folder of the study."""
    study: str = "lstm-rl"
    """Name of the study in its storage."""
    log_dir: Path = Path("tuning")
    """Folder of the folders of studies."""
    out: Path | None = None
    """File for the best settings; default: my.toml in the folder of the study."""
    progress: bool = True
    """Show a progress bar."""

    def __post_init__(self) -> None:
        for name in ("trials", "seeds", "n_envs", "evaluations", "eval_episodes", "workers"):
            check_int(name, getattr(self, name), 1, MOST.get(name))
        for name in ("sampler", "pruner", "objective"):
            check_choice(name, getattr(self, name), type(self).__annotations__[name].__args__)


def tune(command: Tune) -> int:
    """`lstm-rl tune`.

    Raises:
        ValueError: An argument does not fit, or the storage holds something else.
        RuntimeError: No trial ran to its end.
    """
    try:
        import optuna
        from sqlalchemy.exc import SQLAlchemyError
    except ImportError:
        raise ValueError(needs_extra("tune", "Optuna", "tune")) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    from lstm_rl.tuning.storage import reason

    if command.out is not None and command.out.suffix != ".toml":
        raise ValueError(f"out must be a .toml file, got {command.out}")
    settings, plan = plan_of(command)
    try:
        return _tune(command, settings, plan)
    except SQLAlchemyError as error:
        raise RuntimeError(f"{plan.storage}: {reason(error)}") from error


def plan_of(command: Tune) -> "tuple[Settings, Plan]":
    """The settings of the default's run, and all that a process needs to work on the study.

    Raises:
        ValueError: An argument does not fit.
    """
    from lstm_rl.agents.search_space import restrict, search_space
    from lstm_rl.bounds import check_memory
    from lstm_rl.make import family, make_env
    from lstm_rl.tuning.study import Plan, make_sampler
    from lstm_rl.tuning.task import Task

    start = from_preset(command.env, command.preset, command.policy, command.env_kwargs, command.rule)
    try:
        config = start.config.override(command.set | ({"rule": command.rule} if command.rule else {}))
    except TypeError as error:
        names = [each.name for each in fields(Config)]
        unknown = next(name for name in command.set if name not in names)
        raise ValueError(f"set must be settings of the learner, got {unknown!r}: {nearest(unknown, names)}") from error
    settings = replace(
        start,
        env_kwargs=start.env_kwargs | command.env_kwargs,
        config=config,
        seed=command.seed,
        timesteps=command.timesteps,
        n_envs=command.n_envs,
        eval_freq=max(command.timesteps // command.evaluations, 1),
        eval_episodes=command.eval_episodes,
        attempt_steps=None,
        stop_when_solved=command.objective == "steps-to-solve",
        log_dir=command.log_dir,
    )
    env = make_env(settings.env, settings.env_kwargs)
    check_memory(settings, env)
    env.close()
    rule = config.rule_for(family(settings.env, settings.env_kwargs)[1])
    space = restrict(search_space(config, rule, command.policy), command.fields)
    make_sampler(command.sampler, 0)  # for its errors
    storage = command.storage or str(settings.folder / "study.log")
    task = Task(settings, command.seeds, command.objective)
    how = (command.trials, command.sampler, command.pruner, command.seed)
    return settings, Plan(storage, command.study, task, space, *how)


def _tune(command: Tune, settings: Settings, plan: "Plan") -> int:
    from tqdm import tqdm

    from lstm_rl import __version__
    from lstm_rl.config_files import write_toml
    from lstm_rl.diagnostics.figures import save
    from lstm_rl.tuning.report import best_trial, importances, picture, table
    from lstm_rl.tuning.storage import open_storage, open_study
    from lstm_rl.tuning.study import default_trial, finished, other_workers, prepare, work

    begun, few = time.perf_counter(), command.objective == "steps-to-solve"
    identity: dict[str, Any] = {"version": __version__, "env": settings.env, "env_kwargs": settings.env_kwargs}
    identity |= {"objective": command.objective, "seeds": command.seeds}
    identity |= {name: value for name, value in settings.recorded().items() if name not in identity}
    identity["space"] = {each.field: [each.scale, *each.values] for each in plan.space}
    study = open_study(open_storage(plan.storage), plan.study, "minimize" if few else "maximize", identity)
    prepare(study, plan)
    with tqdm(total=command.trials, unit="trial", disable=not command.progress, smoothing=0.0) as bar:

        def report(study: Any) -> None:
            bar.update(len(finished(study)) - bar.n)

        bar.initial = bar.n = min(len(finished(study)), command.trials)
        try:
            with other_workers(plan, command.workers - 1 if bar.n < command.trials else 0):
                work(plan, report=report)
            report(study)
        except KeyboardInterrupt:
            bar.close()
            said = f"{len(finished(study))} of {command.trials} trials are done; the same command goes on"
            print(f"{plan.storage}: {said}", file=sys.stderr)
            raise
    best, default, out = best_trial(study), default_trial(study), command.out or settings.folder / "my.toml"
    write_toml(replace(settings, config=settings.config.override(best.params)), out)
    known = importances(study)
    what = "steps to the solution" if few else "return, mean over the last third of evaluations"
    drawn = settings.folder / "tune.png"
    save(picture(study, known, what), drawn)
    print(table(study, known))
    states = [each.state.name.lower() for each in finished(study)]
    count = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    against = "which failed" if default is None or default.value is None else f"{default.value:,.6g}"
    if default is not None and best.number == default.number:
        against += ", none was better"
    print(
        f"{len(states)} trials ({count}) in {time.perf_counter() - begun:.1f} s; picture: {drawn}\n"
        f"best: {best.value:,.6g} (trial {best.number}), the default's in the same study: {against}; "
        f"next: lstm-rl train {shlex.quote(settings.env)} --config {shlex.quote(str(out))}"
    )
    return 0
