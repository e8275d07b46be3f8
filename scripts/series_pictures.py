"""Draw predictions of Mackey-Glass 84 steps ahead, and the cells of the LSTM, for docs/results/series-mackey-glass-17.

python scripts/series_pictures.py
"""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from lstm_rl.diagnostics.activations import record_activations
from lstm_rl.diagnostics.figures import LINES, save
from lstm_rl.diagnostics.timeline import activations_figure
from lstm_rl.experiments.protocols.series_run import SeriesRun, make
from lstm_rl.experiments.protocols.series_scores import direct, free_run
from lstm_rl.experiments.registry import EXPERIMENTS

NAME, AHEAD, STEPS = "series-mackey-glass-17", 84, 300
FOLDER = Path(__file__).parents[1] / "docs" / "results" / NAME
ROWS = {
    "LSTM, direct": "LSTM, one value per step",
    "MLP, window, iterated": "MLP, window",
    "LSTM, 16 cells, window, Kalman, iterated (ours)": "LSTM, 16 cells, window, Kalman filter",
    "Echo state network, 400 units, iterated": "echo state network",
}


def main() -> None:
    """Train one network of each kind, with seed 1000, and draw the test part."""
    settings: dict[str, SeriesRun] = {row.key: row.settings for row in EXPERIMENTS[NAME].rows}
    series = SeriesRun().task().series
    values, first = series.values, series.validation
    target = values[first + AHEAD : first + AHEAD + STEPS]
    figure = Figure(figsize=(11, 6.5), dpi=100, layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    above.plot(target, color="black", linewidth=2.5, label="target")
    for k, (key, name) in enumerate(ROWS.items()):
        run = settings[key]
        net = make(run, AHEAD if run.direct else 1, lambda _: None)
        if run.direct:
            predicted = direct(net, run.lags, values[:-AHEAD])[first : first + STEPS]
            lstm = net
        else:
            predicted = free_run(net, run.lags, values, first, STEPS, AHEAD)[-1]
        above.plot(predicted, color=LINES[k], linewidth=1.2, label=name)
        below.plot(np.abs(predicted - target) + 1e-7, color=LINES[k], linewidth=1.2)
    above.set(ylabel="x, in standard deviations", title=f"Mackey-Glass, delay 17: {AHEAD} steps ahead")
    below.set(ylabel="absolute error", xlabel="step of the test part", yscale="log")
    below.grid(alpha=0.3)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    save(figure, FOLDER / "predictions.png")
    x = values[first - 100 : first + 150, None]
    title = (
        f"LSTM that sees one value per step (input) and predicts the one {AHEAD} steps later (output; target dashed)"
    )
    targets = values[first - 100 + AHEAD : first + 150 + AHEAD, None]
    save(activations_figure(record_activations(lstm, x.copy()), title, targets=targets), FOLDER / "activations.png")


if __name__ == "__main__":
    main()
