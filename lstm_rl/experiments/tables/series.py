"""Gers, Eck & Schmidhuber (2001): where windows are enough, an LSTM that sees one value per step loses."""

from typing import Any

from lstm_rl.experiments.engine import Row
from lstm_rl.experiments.protocols.series_run import SeriesRun
from lstm_rl.experiments.series_score import laser_experiment, mackey_glass_experiment

FAR, NEXT, WORSE = "NRMSE, t + 84", "NMSE, next 100", "worse than the MLP (recalled)"
ECHO: dict[str, Any] = {"model": "esn", "units": 400, "optimizer": "ridge"}
RESERVOIR: dict[str, Any] = {"model": "lstm-reservoir", "units": 200, "optimizer": "ridge", "ridge": 1e-9}
ADAM: dict[str, Any] = {"optimizer": "adam", "epochs": 200, "learning_rate": 0.03}
LBFGS: dict[str, Any] = {"optimizer": "lbfgs", "epochs": 500}
KALMAN: dict[str, Any] = {"optimizer": "kalman", "epochs": 40}
TRIVIAL = (("mean", "Mean of the training part"), ("persistence", "Last value"))
RESERVOIRS = {17: {"ridge": 1e-11}, 30: {"radius": 1.25, "leak": 0.4, "ridge": 1e-5}}
SURVEY = {
    "SOM with local models (Vesanto 1997)": ".032 (6,000 values), .016 (28,000), .0088 (50,000)",
    "Local models (McNames)": ".015 - .02",
}
JAEGER = {17: (".00028", ".00012"), 30: (".11", ".032")}  # by the delay: after 3,000 and 21,000 values


def _row(label: str, published: dict[str, Any] | None = None, **settings: Any) -> Row:
    return Row(label, SeriesRun(**settings), published or {})


def _mackey_glass(tau: int) -> list[Row]:
    window: dict[str, Any] = {"lags": (0, 6, 12, 18), "tau": tau}
    mlp: dict[str, Any] = {"model": "mlp", "units": 32, **LBFGS, **window}
    direct: dict[str, Any] = {"tau": tau, "direct": True}
    echo = {**ECHO, "tau": tau, **RESERVOIRS[tau]}
    return [
        *(Row(label, None, {FAR: figure}) for label, figure in SURVEY.items() if tau == 17),
        *(_row(label, model=model, optimizer="none", tau=tau) for model, label in TRIVIAL),
        _row("LSTM, direct", {FAR: WORSE} if tau == 17 else None, **direct),
        _row("LSTM without forget gates, direct", model="standard", **direct),
        _row("LSTM, Adam, direct", **direct, **ADAM),
        _row("LSTM, Kalman, direct", **direct, **KALMAN),
        _row("Elman net, 10 units, direct", model="elman", units=10, **direct),
        _row("GRU, 10 units, direct", model="gru", units=10, **direct, **ADAM),
        _row("sLSTM, 10 units, direct", model="slstm", units=10, **direct, **ADAM),
        _row("MLP, window, direct", direct=True, **mlp),
        _row("MLP, window, iterated", **mlp),
        _row("Echo state network, 400 units, iterated", {FAR: JAEGER[tau][0]}, **echo),
        _row("Echo state network, 400 units, 21,000 values, iterated", {FAR: JAEGER[tau][1]}, points=21_000, **echo),
        _row("Echo state network, 1,000 units, iterated (ours)", **{**echo, "units": 1000}),
        _row("LSTM, Kalman, iterated (ours)", tau=tau, **KALMAN),
        _row("LSTM, 16 cells, Kalman, iterated (ours)", tau=tau, units=16, **KALMAN),
        _row("LSTM, window, Kalman, iterated (ours)", **window, **KALMAN),
        _row("LSTM, 16 cells, window, Kalman, iterated (ours)", units=16, **window, **KALMAN),
        _row("LSTM, 16 cells, window, L-BFGS, iterated (ours)", units=16, **window, **LBFGS),
        _row("LSTM, 200 cells, untrained, read-out by ridge, iterated (ours)", tau=tau, **RESERVOIR),
        _row("LSTM, 400 cells, constant gates, ridge, iterated (ours)", **{**echo, "model": "constant-gates"}),
    ]


def _laser() -> list[Row]:
    laser: dict[str, Any] = {"series": "laser"}
    window = {**laser, "lags": tuple(range(16))}
    quoted = {"FIR network (Wan)": ".0230 - .028 (recalled)", "Local models (Sauer)": ".08 (recalled)"}
    return [
        *(Row(label, None, {NEXT: figure}) for label, figure in quoted.items()),
        *(_row(label, model=model, optimizer="none", **laser) for model, label in TRIVIAL),
        _row("LSTM", {NEXT: WORSE}, epochs=300, **laser),
        _row("LSTM without forget gates", model="standard", epochs=300, **laser),
        _row("LSTM, Adam", **laser, **ADAM),
        _row("LSTM, Kalman", **laser, **KALMAN),
        _row("Elman net, 10 units", model="elman", units=10, epochs=300, **laser),
        _row("GRU, 10 units", model="gru", units=10, **laser, **ADAM),
        _row("sLSTM, 10 units", model="slstm", units=10, **laser, **ADAM),
        _row("MLP, window", model="mlp", units=16, optimizer="lbfgs", **window),
        _row("Echo state network, 400 units", **ECHO, ridge=1e-3, **laser),
        _row("LSTM, 8 cells, window, Kalman (ours)", units=8, **window, **KALMAN),
    ]


EXPERIMENTS = (*(mackey_glass_experiment(tau, _mackey_glass(tau)) for tau in JAEGER), laser_experiment(_laser()))
