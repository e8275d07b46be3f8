"""One run on a time series: which series, what predicts it, how that learns, and what it comes to on the test part."""

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from lstm_rl.checks import check_choice, check_float, check_int

if TYPE_CHECKING:
    from lstm_rl.experiments.engine import Report
    from lstm_rl.tasks.series import SeriesTask

Model = Literal[
    "mean",
    "persistence",
    "mlp",
    "esn",
    "lstm",
    "standard",
    "lstm-reservoir",
    "constant-gates",
    "elman",
    "gru",
    "slstm",
]
Optimizer = Literal["none", "ridge", "sgd", "kalman", "adam", "lbfgs"]
HORIZONS = {"mackey-glass": (1, 6, 84), "laser": (1, 100)}
WASHOUT = 100
"""First values of the training part that read-outs do not learn from."""
OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "mean": ("none",),
    "persistence": ("none",),
    "mlp": ("adam", "lbfgs"),
    "esn": ("ridge",),
    "lstm-reservoir": ("ridge",),
    "constant-gates": ("ridge",),
    "gru": ("adam", "lbfgs"),
    "slstm": ("adam", "lbfgs"),
    **dict.fromkeys(("lstm", "standard", "elman"), ("sgd", "kalman", "adam", "lbfgs")),
}


@dataclass(frozen=True, kw_only=True)
class SeriesRun:
    """One run."""

    series: Literal["mackey-glass", "laser"] = "mackey-glass"
    """Which; the laser needs the extra series, as an echo state network does."""
    tau: int = 17
    """Delay of Mackey-Glass: 17 or 30."""
    points: int = 3000
    """Values of Mackey-Glass for training; the laser has 900, and 100 for validation."""
    model: Model = "lstm"
    """The mean of the training part; the last value; a perceptron; an echo state network; the published LSTM, or one
    without forget gates; an untrained LSTM behind a read-out, or one whose gates are constants besides, which makes it
    an echo state network; Elman net, GRU or sLSTM."""
    units: int = 4
    """Of a layer; of an LSTM its blocks of one cell."""
    lags: tuple[int, ...] = (0,)
    """What is seen at each step: x(t - lag)."""
    direct: bool = False
    """A network for each horizon; else one for the next value, which is fed back."""
    optimizer: Optimizer = "sgd"
    """Truncated gradient, or a Kalman filter on it, at each value; the complete gradient by Adam or L-BFGS in stretches
    of 150; ridge regression of the read-out alone; none for what has no weights."""
    learning_rate: float = 0.01
    """Of sgd and adam."""
    epochs: int = 100
    """Passes over the training part; of adam, steps on 16 stretches."""
    ridge: float = 0.0
    """Weight of squared read-out weights where they are fitted, or, of a trained LSTM, fitted again; 0: not."""
    radius: float = 1.0
    """Spectral radius of an echo state network, about that of an LSTM with constant gates."""
    leak: float = 0.6
    """Of its units, in (0, 1)."""
    scale: float = 0.5
    """Of its input weights, and of all weights of an untrained LSTM."""
    seed: int = 1000
    """Of weights and stretches."""

    def task(self, horizon: int = 1) -> "SeriesTask":
        """The training part as a task.

        Raises:
            ValueError: reservoirpy is missing, or lags do not fit.
        """
        from lstm_rl.tasks.series import Laser, MackeyGlass

        if self.series == "laser":
            return Laser(horizon=horizon, lags=self.lags)
        return MackeyGlass(horizon=horizon, lags=self.lags, tau=self.tau, points=self.points)


def check(settings: SeriesRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: It cannot.
    """
    check_choice("series", settings.series, tuple(HORIZONS))
    check_choice("model", settings.model, get_args(Model))
    check_int("units", settings.units, 1)
    check_int("epochs", settings.epochs, 1)
    check_int("points", settings.points, 500)
    for name in ("learning_rate", "radius", "leak", "scale"):
        check_float(name, getattr(settings, name), 0.0, open_low=True)
    if settings.leak >= 1.0 and settings.model == "constant-gates":
        raise ValueError(f"leak must be below 1 for constant gates, got {settings.leak}")
    check_float("ridge", settings.ridge, 0.0, open_low=settings.optimizer == "ridge")
    if settings.optimizer not in OPTIMIZERS[settings.model]:
        allowed = " or ".join(OPTIMIZERS[settings.model])
        raise ValueError(f"optimizer must be {allowed} for the model {settings.model}, got {settings.optimizer!r}")
    if settings.ridge and settings.model not in ("esn", "lstm-reservoir", "constant-gates", "lstm", "standard"):
        raise ValueError(f"ridge must be 0 for the model {settings.model}, got {settings.ridge}")
    settings.task()
    if settings.model == "esn":
        from lstm_rl.tasks.series import load_reservoirpy

        load_reservoirpy("an echo state network")


def make(settings: SeriesRun, horizon: int, report: "Report") -> Any:
    """A trained network of `lstm_rl.nn.network`'s interface, for one horizon."""
    from lstm_rl.experiments.protocols import series_networks as networks
    from lstm_rl.experiments.protocols import series_training as training
    from lstm_rl.topology import Topology

    task, model, seed, units = settings.task(horizon), settings.model, settings.seed, settings.units
    if model in ("mean", "persistence"):
        return (networks.mean if model == "mean" else networks.persistence)(task.inputs)
    x, targets = training.training_part(task)
    if model == "esn":
        reservoir = {name: getattr(settings, name) for name in ("radius", "leak", "scale", "ridge")}
        return networks.EchoStateNetwork(x, targets, WASHOUT, units, seed, **reservoir)
    net: Any = networks.untrained(model, task, units, settings.scale, settings.radius, settings.leak)
    if isinstance(net, Topology) and settings.optimizer in ("sgd", "kalman"):
        rate, epochs = settings.learning_rate, settings.epochs
        net = training.step_by_step(net, task, settings.optimizer, rate, epochs, seed, report)
    else:
        net = training.torch_network(net, None, seed) if isinstance(net, Topology) else net(seed)
        if settings.optimizer == "adam":
            net = training.by_adam(net, task, settings.learning_rate, settings.epochs, seed, report)
        elif settings.optimizer == "lbfgs":
            net = training.by_lbfgs(net, task, settings.epochs, report)
    return networks.fit_readout(net, x, targets, WASHOUT, settings.ridge) if settings.ridge else net


def run(settings: SeriesRun, report: "Report") -> dict[str, Any]:
    """Train, then predict the test part.

    Returns:
        success: better than the mean and than the last value at every horizon; nmse_H: mean squared error by the
        target's variance of predictions H steps ahead; of the laser, nmse_100 is that of the first 100 values of the
        test part together, predicted in one go. seconds: of all training.
    """
    import torch

    from lstm_rl.experiments.protocols.series_scores import errors

    torch.set_num_threads(1)
    began, nets = time.perf_counter(), {}
    horizons = HORIZONS[settings.series]
    for horizon in horizons if settings.direct and settings.series == "mackey-glass" else (1,):
        nets[horizon] = make(settings, horizon, report)
    seconds = time.perf_counter() - began
    trivial = [
        errors({1: make(replace(settings, model=model, lags=(0,)), 1, report)}, settings.task().series, (0,), horizons)
        for model in ("mean", "persistence")
    ]
    found = errors(nets, settings.task().series, settings.lags, horizons)
    success = all(error < min(other[h] for other in trivial) for h, error in found.items())
    results: dict[str, Any] = {f"nmse_{h}": float(f"{error:.6g}") for h, error in found.items()}
    return {"success": success, **results, "seconds": round(seconds, 2)}
