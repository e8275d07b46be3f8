"""Draw what trained networks do over a test stream, beside the tables of their experiments in docs/results.

python scripts/activation_pictures.py [EXPERIMENT ...]
"""

import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lstm_rl.diagnostics.activations import record_activations
from lstm_rl.diagnostics.figures import save
from lstm_rl.diagnostics.timeline import activations_figure
from lstm_rl.experiments.protocols.continual_run import trained
from lstm_rl.experiments.protocols.task_networks import make_network
from lstm_rl.experiments.registry import EXPERIMENTS
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.topology import Topology

DOCS = Path(__file__).parents[1] / "docs" / "results"


class Picture(NamedTuple):
    """Which network is drawn, and how much of a stream."""

    row: str
    """Of the experiment's table."""
    seed: int
    strings: int


PICTURES = {
    "gers2000-cerg": Picture("LSTM, forget gates", 1007, 6),
    "gers2002-msd": Picture("F=10 I=0,1,2: LSTM, global Kalman (ours)", 1000, 8),
    "gers2002-gts": Picture("F=20: LSTM, global Kalman (ours)", 1000, 5),
    "gers2002-pfg": Picture("F=10 function=triangle tested=10000: LSTM, global Kalman (ours)", 1000, 6),
}


def draw(name: str) -> None:
    """Train the network again, which takes seconds to minutes, and draw it."""
    row, seed, strings = PICTURES[name]
    settings = next(each.settings for each in EXPERIMENTS[name].rows if each.key == row)
    learner, task, result = trained(type(settings)(**(vars(settings) | {"seed": seed})), lambda _: None)
    topology = make_network(task, settings.network or "published")
    assert isinstance(topology, Topology)
    net = LstmNetwork(topology, dtype=torch.float64)
    with torch.no_grad():
        net.hidden_weights.copy_(torch.from_numpy(learner.weights.hidden))
        net.output_weights.copy_(torch.from_numpy(learner.weights.output))
    rng, pieces = np.random.default_rng(0), []
    for _ in range(strings):
        pieces.append(task.batch(1, rng))
    x, targets, has_target = (np.concatenate([part[:, 0] for part in parts]) for parts in zip(*pieces, strict=True))
    mark = "string begins" if name == "gers2000-cerg" else "interval begins"
    starts = np.cumsum([0, *(len(piece.x) for piece in pieces[:-1])]).tolist()
    activations = record_activations(net, x, marks={mark: starts})
    targets[~has_target] = np.nan
    perfect = "perfect" if result["success"] else f"{result['length']:,.0f} right answers in a row"
    title = f"{name}: {row}, {perfect} after {result['sequences']:,} training streams"
    save(activations_figure(activations, title, targets=targets), DOCS / name / "activations.png")


if __name__ == "__main__":
    for chosen in sys.argv[1:] or PICTURES:
        draw(chosen)
