"""One run on a sequence task: which task, which network, how it learns, and for how long."""

from ast import literal_eval
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from lstm_rl.checks import check_float, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report
    from lstm_rl.tasks.task import Task

TorchName = Literal["gru", "slstm"]
"""Networks without kernels."""
NetworkName = Literal[
    "published",
    "standard",
    "state-decay",
    "forget-gates",
    "peepholes",
    "without-peepholes",
    "open-gates",
    "rising-forget",
    "inputs-only",
    "shortcuts",
    "elman",
    "one-unit",
]
Gradient = Literal["truncated", "bptt", "rtrl", "guess"]
LOSSES = ("squared", "cross-entropy")
AVERAGING_STEP = 100
"""Sequences after which the running mean of the weights moves."""


@dataclass(frozen=True, kw_only=True)
class Method:
    """A network and how it learns; what is None is as published."""

    network: NetworkName | TorchName | None = None
    """The published network; one without forget gates, or with states that decay instead; one with forget gates or
    peepholes besides, or without the latter; one whose input and forget gates begin open; one whose forget biases rise
    from block to block; one whose cells and gates see the inputs alone; one whose outputs see the inputs; an Elman net;
    one self-recurrent unit beside direct links; or a GRU or sLSTM in Torch."""
    units: int | None = None
    """Of an Elman net, GRU or sLSTM; default: 10."""
    initial_range: float | None = None
    """Weights of cells, gates and hidden units begin uniform in +- this; default: the published range."""
    gradient: Gradient | None = None
    """As in 1997, or complete, or none: all weights are guessed anew in each trial, and trials stand in the place of
    sequences; default: truncated, and bptt for GRU and sLSTM, which have no other."""
    learning_rate: float | None = None
    """Default: the published one."""
    learning_rate_decay: float | None = None
    """In streams: factor of the learning rate after each answer, in (0, 1]; each stream begins with the whole one;
    default: 1."""
    external_reset: bool | None = None
    """In streams: put the network to rest where a sequence begins; default: it has to find out by itself."""
    optimizer: Literal["sgd", "momentum", "rmsprop", "kalman"] | None = None
    """Plain gradient descent as in 1997; with the momentum of 2001, .99; steps divided by the root of their running
    mean square, as the agents' are (ours); or an extended Kalman filter, which has no learning rate and steps at each
    target (2003); default: the published one, sgd or momentum."""
    rms_decay: float | None = None
    """Decay of that mean square, which begins at 1 and shows how small steps are only once this has brought it down;
    default: 0.999."""
    loss: float | str | None = None
    """squared as in 1997, cross-entropy, that of a logistic output (ours), or another power of the error, > 1 (ours):
    a high one looks at the largest errors, a low one at how many there are; default: squared."""
    covariance: float | None = None
    """Of a Kalman filter: initial variance of each weight, > 0; default: 100."""
    restart: int | None = None
    """In streams: begin with fresh weights each time that so many training streams, >= 1, were not enough (ours); all
    count; default: never."""
    average: int | None = None
    """Time constant, in sequences from 100 up, of an exponential running mean of the weights, which is tested in their
    place while they go on learning (Polyak & Juditsky 1992; ours); default: the weights themselves are tested."""
    max_sequences: int | None = None
    """Budget of a run; default: the published one, or ours."""

    def chosen(self) -> dict[str, Any]:
        """What is not left as published."""
        return {each.name: value for each in fields(Method) if (value := getattr(self, each.name)) is not None}


@dataclass(frozen=True, kw_only=True)
class SequenceRun(Method):
    """One run of a method on a task."""

    task: str
    """A name of `lstm_rl.tasks.names.TASKS`."""
    settings: str = ""
    """The task's, as "T=100 N=3"."""
    seed: int = 0
    """Of initial weights, training and test sequences."""

    def make_task(self) -> "Task":
        """The task with its settings."""
        from lstm_rl.tasks.names import make_task

        return make_task(self.task, **parse_settings(self.settings))

    def resolved(self) -> "SequenceRun":
        """The same with nothing left open but units, initial range and averaging."""
        protocol = self.make_task().protocol
        network = self.network or "published"
        guesses = self.gradient == "guess"
        defaults: dict[str, Any] = {
            "network": network,
            "gradient": "bptt" if network in get_args(TorchName) else "truncated",
            "learning_rate": 0.0 if guesses or self.optimizer == "kalman" else protocol.learning_rate,
            "optimizer": "momentum" if protocol.momentum and not guesses else "sgd",
            "loss": "squared" if network in get_args(TorchName) else protocol.loss,
            "max_sequences": protocol.max_sequences,
        }
        return replace(self, **(defaults | self.chosen()))


def parse_settings(settings: str) -> dict[str, Any]:
    """Settings as keywords: "T=100 noise=0.2" is {"T": 100, "noise": 0.2}; what is no Python literal is a string.

    Raises:
        ValueError: A part without "=".
    """
    values: dict[str, Any] = {}
    for part in settings.split():
        name, equals, text = part.partition("=")
        if not equals:
            raise ValueError(f"set must be name=value, got {part!r}")
        try:
            value = literal_eval(text)
            values[name] = int(value) if isinstance(value, float) and "e" in text and value.is_integer() else value
        except (ValueError, SyntaxError):
            values[name] = text
    return values


def check(run: SequenceRun) -> None:
    """Check that a task can be learned so.

    Raises:
        ValueError: It cannot.
    """
    from lstm_rl.experiments.protocols.task_networks import make_network
    from lstm_rl.topology import Topology

    task = run.make_task()
    if run.max_sequences is not None:
        check_int("max-sequences", run.max_sequences, task.protocol.every)
    network = make_network(task, run.network or "published", run.units, run.initial_range)
    has_kernels = isinstance(network, Topology)
    bias = parse_settings(run.settings).get("forget_bias")
    keeps = isinstance(network, Topology) and network.forget_gate_bias == task.topology.forget_gate_bias
    if bias is not None and (run.gradient == "guess" or not keeps):
        what = "weights that are guessed" if run.gradient == "guess" else run.network
        raise ValueError(
            f"forget_bias must be left out for networks with other forget biases or none, got {bias} for {what}"
        )
    streams = {
        "learning-rate-decay": run.learning_rate_decay,
        "external-reset": run.external_reset,
        "restart": run.restart,
    }
    if task.protocol.stream is None and (given := [name for name, value in streams.items() if value is not None]):
        raise ValueError(f"{' and '.join(given)} must be left out of tasks without streams, got {task.name}")
    if not has_kernels and run.gradient not in (None, "bptt"):
        raise ValueError(f"gradient must be bptt for a Torch network, got {run.gradient}")
    if run.gradient == "guess":
        learning = ("learning_rate", "learning_rate_decay", "optimizer", "rms_decay", "loss", "restart", "average")
        if chosen := [f"{name.replace('_', '-')} {value}" for name, value in run.chosen().items() if name in learning]:
            raise ValueError(
                "learning-rate, its decay, optimizer, rms-decay, loss, restart and average must be left out where "
                f"gradient is guess, got {', '.join(chosen)}"
            )
        return
    if run.optimizer == "kalman":
        _check_kalman(run, has_kernels)
    elif run.covariance is not None:
        raise ValueError(f"covariance must be left out unless optimizer is kalman, got {run.covariance}")
    if run.optimizer == "momentum" and not has_kernels:
        raise ValueError(f"optimizer must be sgd or rmsprop for a Torch network, got {run.optimizer}")
    if run.learning_rate is not None:
        check_float("learning-rate", run.learning_rate, 0.0, open_low=True)
    if run.rms_decay is not None:
        check_float("rms-decay", run.rms_decay, 0.0, 1.0)
        if run.optimizer != "rmsprop":
            raise ValueError(f"rms-decay must be left out unless optimizer is rmsprop, got {run.rms_decay}")
    if run.learning_rate_decay is not None:
        check_float("learning-rate-decay", run.learning_rate_decay, 0.0, 1.0, open_low=True)
    if task.protocol.stream is not None:
        _check_streams(run, has_kernels)
    if run.average is not None:
        check_int("average", run.average, AVERAGING_STEP)
    if run.loss is not None:
        _check_loss(run.loss, task)
    if task.protocol.each_step and not has_kernels and task.protocol.stream is None:
        raise ValueError(
            "network must be one with kernels for a task whose weights change after each step, "
            f"got a Torch network for {task.name}"
        )


def _check_kalman(run: SequenceRun, has_kernels: bool) -> None:
    if not has_kernels or run.gradient not in (None, "truncated", "rtrl"):
        kind = f"gradient {run.gradient}" if has_kernels else "a Torch network"
        raise ValueError(f"gradient must be truncated or rtrl where optimizer is kalman, got {kind}")
    if run.covariance is not None:
        check_float("covariance", run.covariance, 0.0, open_low=True)
    if given := [name.replace("_", "-") for name in ("learning_rate", "loss") if getattr(run, name) is not None]:
        raise ValueError(f"{' and '.join(given)} must be left out where optimizer is kalman")


def _check_streams(run: SequenceRun, has_kernels: bool) -> None:
    if run.restart is not None:
        check_int("restart", run.restart, 1)
    if run.average is not None:
        raise ValueError(f"average must be left out of tasks with streams, got {run.average}")
    if not has_kernels and run.loss == "cross-entropy":
        raise ValueError("loss must be squared or a number for a Torch network in streams, got cross-entropy")


def _check_loss(loss: str | float, task: "Task") -> None:
    activation = task.topology.output_activation
    if not isinstance(loss, str):
        check_float("loss", loss, 1.0, open_low=True)
    elif loss not in LOSSES:
        raise ValueError(f"loss must be {', '.join(LOSSES)} or a number > 1, got {loss!r}")
    elif loss == "cross-entropy" and activation != "logistic":
        raise ValueError(
            "loss must be squared or a number for outputs that are not logistic, "
            f"got cross-entropy for {task.name}, whose outputs are {activation}"
        )


def run(settings: SequenceRun, report: "Report") -> dict[str, Any]:
    """Train, or guess, until the task's criteria are met or the budget is used up, then test.

    Returns:
        What was left open, and the results of `sequence_training.train`, `network_guessing.guess` or, of streams,
        `continual_run.learn`.
    """
    import torch

    from lstm_rl.experiments.protocols import continual_run
    from lstm_rl.experiments.protocols.network_guessing import guess
    from lstm_rl.experiments.protocols.sequence_training import train

    torch.set_num_threads(1)  # one sequence at a time is too little to share: two are up to five times as slow
    learn = guess if settings.gradient == "guess" else train
    if settings.make_task().protocol.stream is not None:
        learn = continual_run.learn
    results = learn(settings, report)
    return settings.resolved().chosen() | results
