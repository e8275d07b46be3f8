"""Draw what the net of the longest count does over a short string, for docs/results/gers2001-longest.

python scripts/counting_pictures.py
"""

from pathlib import Path

import numpy as np
import torch

from lstm_rl.diagnostics.activations import record_activations
from lstm_rl.diagnostics.figures import save
from lstm_rl.diagnostics.timeline import activations_figure
from lstm_rl.experiments.protocols.longest_count import LongestCount, train
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.tasks import FormalLanguage

FOLDER = Path(__file__).parents[1] / "docs" / "results" / "gers2001-longest"
N = 15


def main() -> None:
    """Train it again up to strings of 1,000, some seconds, and draw a^15 b^15 c^15."""
    learner, task, _, _ = train(LongestCount(trained=1000))
    net = LstmNetwork(task.topology, dtype=torch.float64)
    with torch.no_grad():
        net.hidden_weights.copy_(torch.from_numpy(learner.weights.hidden))
        net.output_weights.copy_(torch.from_numpy(learner.weights.output))
    x, targets, _ = FormalLanguage("anbncn", N, N, N).batch(1, np.random.default_rng(0))
    marks = {"run": [1 + N * run for run in range(3)]}
    activations = record_activations(net, x[:, 0], marks=marks)
    title = f"a^{N} b^{N} c^{N}: the cells count up and down; inputs and outputs S or T, a, b, c"
    save(activations_figure(activations, title, targets=targets[:, 0]), FOLDER / "activations.png")


if __name__ == "__main__":
    main()
