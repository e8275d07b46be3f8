"""A row of a published table: a task, a method, and the figures beside which ours are put; and one run of it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from lstm_rl.suites.networks import Name, default_gradient

if TYPE_CHECKING:
    from lstm_rl.tasks.task import Task

Gradient = Literal["truncated", "bptt", "rtrl", "guess"]


@dataclass(frozen=True)
class Method:
    """A network and how it learns, instead of what is published."""

    network: Name | None = None
    """Instead of all published rows: the published network, one with forget gates or peepholes besides, one whose cells
    and gates see the inputs alone, one whose outputs see the inputs, an Elman net, one self-recurrent unit beside
    direct links, or a GRU or sLSTM in Torch."""
    units: int | None = None
    """Of an Elman net, GRU or sLSTM; default 10."""
    initial_range: float | None = None
    """Weights of cells, gates and hidden units begin uniform in +- this; default: the published range."""
    gradient: Gradient | None = None
    """As in 1997, or complete, or none: all weights are guessed anew in each trial, and trials stand in the place of
    sequences; default: truncated, and bptt for GRU and sLSTM, which have no other."""
    alpha: float | None = None
    """Learning rate; default: the published one."""
    descent: Literal["plain", "rms"] | None = None
    """Steps as in 1997, or RMS-normalised as the agents' are; default: plain."""
    rms_decay: float | None = None
    """Decay of the mean square of steps by which rms divides them; default: 0.999."""
    loss: float | str | None = None
    """squared as in 1997, cross-entropy, that of a logistic output, or another power of the error, > 1; default:
    squared."""
    average: int | None = None
    """Test a running mean of the weights over so many sequences; default: test the weights themselves."""
    max_sequences: int | None = None
    """Budget of a run; default: the published one, or ours."""


def loss_name(loss: str | float | None) -> str:
    """A loss for people."""
    return f"error^{loss:g}" if isinstance(loss, int | float) else str(loss)


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of a method on a task, nothing left open."""

    suite: str
    settings: str
    network: str
    units: int | None = None
    initial_range: float | None = None
    gradient: str
    alpha: float
    descent: str = "plain"
    rms_decay: float | None = None
    loss: str | float = "squared"
    average: int | None = None
    max_sequences: int
    seed: int


@dataclass(frozen=True)
class Case:
    """One row of a table: what is run, and what is published about it."""

    suite: str
    settings: str
    """The task's, as `--set` takes them."""
    label: str
    """The method's name in the table."""
    sequences: float | None = None
    """Published mean number of training sequences."""
    success: str = "100 %"
    """Published share of successful trials."""
    wrong: float | None = None
    """Published fraction of wrong test sequences."""
    first: float | None = None
    """Published mean number of sequences to the first of two criteria."""
    method: Method = Method()
    runs: int = 1
    """Times the runs asked for: experiment 1 has three pairs of sets."""

    @property
    def task(self) -> "Task":
        """The task with its settings."""
        from lstm_rl.tasks.names import make_task

        return make_task(self.suite, **parse(self.settings))

    def run(self, seed: int) -> Run:
        """One run, with what is published in the place of all that the method leaves open."""
        protocol, network = self.task.protocol, self.method.network or "published"
        published: dict[str, Any] = {"network": network, "gradient": default_gradient(network)}
        alpha = 0.0 if self.method.gradient == "guess" else protocol.alpha
        published |= {"alpha": alpha, "max_sequences": protocol.max_sequences}
        chosen = {name: value for name, value in vars(self.method).items() if value is not None}
        return Run(suite=self.suite, settings=self.settings, seed=seed, **published | chosen)


def parse(settings: str) -> dict[str, Any]:
    """Settings as keywords: "T=100 N=3" is {"T": 100, "N": 3}; what is no number is a string.

    Raises:
        ValueError: A part without "=".
    """
    values: dict[str, Any] = {}
    for part in settings.split():
        name, equals, text = part.partition("=")
        if not equals:
            raise ValueError(f"set must be name=value, got {part!r}")
        values[name] = int(text) if text.lstrip("-").isdigit() else text
    return values
