"""The loop over trials of a study, which several processes may share."""

import os
import platform
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import FrozenTrial, TrialState

from lstm_rl.agents.advantage_learning import DivergedError
from lstm_rl.agents.search_space import Dimension, suggest
from lstm_rl.checks import one_line
from lstm_rl.run_lock import boot_id
from lstm_rl.signals import terminate_on_signals
from lstm_rl.trials import Player, make_player
from lstm_rl.tuning import Pruner, Sampler
from lstm_rl.tuning.storage import open_storage
from lstm_rl.tuning.task import Task, measure


@dataclass(frozen=True)
class Plan:
    """All that a process needs to work on a study."""

    storage: str
    study: str
    task: Task
    space: tuple[Dimension, ...]
    trials: int
    """Of the study, whoever runs them; the first is the default's."""
    sampler: Sampler = "tpe"
    pruner: Pruner = "median"
    seed: int = 0
    """Of the sampler."""


def make_sampler(name: Sampler, seed: int) -> optuna.samplers.BaseSampler:
    """One of Optuna's samplers.

    Raises:
        ValueError: It needs a package that is not installed.
    """
    kinds: dict[str, Callable[..., optuna.samplers.BaseSampler]] = {
        "tpe": optuna.samplers.TPESampler,
        "random": optuna.samplers.RandomSampler,
        "cmaes": optuna.samplers.CmaEsSampler,
        "gp": optuna.samplers.GPSampler,
    }
    needs = {"cmaes": ("cmaes",), "gp": ("scipy", "torch")}.get(name, ())
    for package in needs:
        try:
            __import__(package)
        except ImportError:
            raise ValueError(f"sampler {name} needs {package}: pip install {package}") from None
    return kinds[name](seed=seed)


def make_pruner(name: Pruner, task: Task) -> optuna.pruners.BasePruner:
    """One of Optuna's pruners."""
    first = _first_pruning(task)
    if name == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=first)
    if name == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=first, max_resource=task.seeds * task.evaluations)
    return optuna.pruners.NopPruner()


def _first_pruning(task: Task) -> int:
    """Evaluations before the first after which a trial may end early: a third of a run."""
    return max(1, task.evaluations // 3)


# --- which trials there are ------------------------------------------------------------------------------------------


def counts(trial: FrozenTrial) -> bool:
    """Whether a trial is one of those that were asked for: not one that was interrupted or is still to begin."""
    return trial.state != TrialState.WAITING and (trial.state != TrialState.FAIL or "error" in trial.user_attrs)


def finished(study: optuna.Study) -> list[FrozenTrial]:
    """The trials that are done, pruned and failed ones too."""
    return [each for each in study.get_trials(deepcopy=False) if counts(each) and each.state.is_finished()]


def default_trial(study: optuna.Study) -> FrozenTrial | None:
    """The trial of the default settings."""
    trials = [each for each in study.get_trials(deepcopy=False) if each.user_attrs.get("default")]
    return next((each for each in trials if each.state != TrialState.FAIL), None)


def prepare(study: optuna.Study, plan: Plan) -> None:
    """Mark the trials of processes that are no more as failed, and see to it that the default is tried first."""
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _alive(trial):
            study.tell(trial.number, state=TrialState.FAIL)
    if default_trial(study) is None:
        config = plan.task.settings.config
        study.enqueue_trial({each.field: getattr(config, each.field) for each in plan.space}, {"default": True})


def _process(pid: int) -> dict[str, Any] | None:
    """What tells a process of this machine from all others; None: there is none."""
    stat, begun = Path(f"/proc/{pid}/stat"), ""
    try:
        if Path("/proc/self/stat").exists():  # a number may belong to another process by now
            begun = stat.read_text().rpartition(")")[2].split()[19]
        else:
            os.kill(pid, 0)
    except (OSError, OverflowError):
        return None
    return {"host": platform.node(), "boot": boot_id(), "pid": pid, "begun": begun}


def _alive(trial: FrozenTrial) -> bool:
    """Whether a trial's process may still work; of another machine's nobody knows."""
    process = trial.user_attrs.get("process")
    if process is None:  # it has just begun, or its process was killed just then
        return trial.datetime_start is None or datetime.now() - trial.datetime_start < timedelta(minutes=1)
    return bool(process["host"] != platform.node() or _process(process["pid"]) == process)


# --- the loop --------------------------------------------------------------------------------------------------------


def work(plan: Plan, worker: int = 0, report: Callable[[optuna.Study], object] = lambda _: None) -> None:
    """Run trials until the study has enough of them.

    Raises:
        ValueError, RuntimeError, OSError: The default failed; the study goes on when other trials fail.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = open_storage(plan.storage)
    study = optuna.load_study(study_name=plan.study, storage=storage, pruner=make_pruner(plan.pruner, plan.task))
    count = len(study.get_trials(deepcopy=False))
    (seed,) = np.random.SeedSequence((plan.seed, worker, count)).generate_state(1)  # no process repeats another's
    study.sampler = make_sampler(plan.sampler, int(seed))
    settings, parent = plan.task.settings, parent_process()
    player = make_player(settings.env, settings.env_kwargs, settings.eval_episodes)
    while sum(map(counts, study.get_trials(deepcopy=False))) < plan.trials and (parent is None or parent.is_alive()):
        trial = study.ask()
        trials = study.get_trials(deepcopy=False)
        if sum(counts(each) for each in trials if each.number < trial.number) >= plan.trials:
            study.tell(trial, state=TrialState.FAIL)  # another process was faster
            return
        trial.set_user_attr("process", _process(os.getpid()))
        _run(study, trial, plan, player)
        report(study)


def _run(study: optuna.Study, trial: optuna.Trial, plan: Plan, player: Player) -> None:
    """One trial: its value or its failure is in the study when this ends."""
    default, first = bool(trial.user_attrs.get("default")), _first_pruning(plan.task)

    def report(value: float, step: int) -> bool:
        trial.report(value, step)
        # What all others are compared with runs to its end
        return default or step < first or not trial.should_prune()

    try:
        config = plan.task.settings.config.override(suggest(trial, plan.space))
        value = measure(plan.task, config, player, report)
    except DivergedError as error:
        trial.set_user_attr("error", one_line(error))
        study.tell(trial, state=TrialState.PRUNED)
    except KeyboardInterrupt:
        study.tell(trial, state=TrialState.FAIL)
        raise
    except Exception as error:
        trial.set_user_attr("error", one_line(f"{type(error).__name__}: {error}"))
        study.tell(trial, state=TrialState.FAIL)
        if default:
            raise
    else:
        study.tell(trial, value, state=TrialState.PRUNED if value is None else TrialState.COMPLETE)


# --- several processes -----------------------------------------------------------------------------------------------


def _worker(plan: Plan, worker: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process answers an interrupt, and ends the workers
    import torch

    torch.set_num_threads(1)
    with terminate_on_signals():
        try:
            work(plan, worker)
        except KeyboardInterrupt:
            pass


@contextmanager
def other_workers(plan: Plan, count: int) -> Iterator[None]:
    """So many further processes work on the study; the block waits for their end, or ends them if it fails."""
    context = get_context("spawn")
    processes = [context.Process(target=_worker, args=(plan, 1 + k), daemon=True) for k in range(count)]
    for process in processes:
        process.start()
    try:
        yield
        for process in processes:
            process.join()
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.join()
