"""Learning to learn by reinforcement: the tables of Duan et al. (2016) and Mishra et al. (2018) beside ours."""

from collections.abc import Iterator
from typing import Any

from lstm_rl.experiments.engine import Experiment, Row
from lstm_rl.experiments.protocols import trial_run
from lstm_rl.experiments.protocols.trial_run import METHODS, STREAMING, TrialRun
from lstm_rl.experiments.trial_charts import pictures
from lstm_rl.experiments.trial_score import NOTES, PROTOCOL, references, score

NAMES = ("random", "Gittins", "Thompson", "OTS", "UCB1", "epsilon-greedy", "greedy", "RL^2", "SNAIL")
BANDITS: dict[tuple[int, int], tuple[float, ...]] = {  # pulls, arms: published figures in the order of `NAMES`
    (10, 5): (5.0, 6.6, 5.7, 6.5, 6.7, 6.6, 6.6, 6.7, 6.6),
    (10, 10): (5.0, 6.6, 5.5, 6.2, 6.7, 6.6, 6.6, 6.7, 6.7),
    (10, 50): (5.1, 6.5, 5.2, 5.5, 6.6, 6.5, 6.5, 6.8, 6.7),
    (100, 5): (49.9, 78.3, 74.7, 77.9, 78.0, 75.4, 74.8, 78.7, 79.1),
    (100, 10): (49.9, 82.8, 76.7, 81.4, 82.4, 77.4, 77.1, 83.5, 83.5),
    (100, 50): (49.8, 85.2, 64.5, 67.7, 84.3, 78.3, 78.0, 84.9, 85.1),
    (500, 5): (249.8, 405.8, 402.0, 406.7, 405.8, 388.2, 380.6, 401.6, 408.1),
    (500, 10): (249.0, 437.8, 429.5, 438.9, 437.1, 408.0, 395.0, 432.5, 432.4),
    (500, 50): (249.6, 463.7, 427.2, 437.6, 457.6, 413.6, 402.8, 438.9, 442.6),
}
MDP_NAMES = ("random", "PSRL", "OPSRL", "UCRL2", "BEB", "epsilon-greedy", "greedy", "RL^2", "SNAIL")
MDPS: dict[int, tuple[float, ...]] = {  # episodes
    10: (100.1, 138.1, 144.1, 146.6, 150.2, 132.8, 134.8, 156.2, 159.1),
    100: (999.4, 1939.5, 1973.9, 1942.1, 1935.1, 1778.2, 1578.5, 1913.7, 1953.1),
}
ROOMS = ("DarkRoom terminates=True", "DarkKeyToDoor")
STREAMED = {"BernoulliBandit arms=5 pulls=10": 3, "BernoulliBandit arms=5 pulls=100": 1, ROOMS[0]: 3}
"""Runs of the streaming rule, by task; it learned nothing worth a row elsewhere."""


def _as_text(names: tuple[str, ...], figures: tuple[float, ...]) -> dict[str, str]:
    """Published figures with all the digits that were published."""
    return {name: f"{figure:,}" for name, figure in zip(names, figures, strict=True)}


def _rows() -> Iterator[Row]:
    labels: list[tuple[str, str, dict[str, str]]] = []
    for (pulls, arms), figures in BANDITS.items():
        task = f"BernoulliBandit arms={arms} pulls={pulls}"
        labels.append((f"{pulls} pulls, {arms} arms", task, _as_text(NAMES, figures)))
    for episodes, figures in MDPS.items():
        published = _as_text(MDP_NAMES, figures)
        labels.append((f"MDP, {episodes} episodes", f"TabularMDP episodes={episodes}", published))
    labels += [(task.partition(" ")[0], task, {}) for task in ROOMS]
    for label, task, published in labels:
        for method in METHODS[task.partition(" ")[0]]:
            if method == STREAMING and task not in STREAMED:
                continue
            first = method == trial_run.RANDOM
            repeats = STREAMED[task] if method == STREAMING else 1
            run = TrialRun(task, method)
            yield Row(label, run, published if first else {}, method, repeats, references(task) if first else dict)


_MORE: dict[str, Any] = {"figures": pictures, "check": trial_run.check, "notes": NOTES, "runs": 1}
_ABOUT = "bandits, random MDPs and dark rooms learned within a trial: RL^2's tables, Gittins and others, ours"
EXPERIMENTS = (Experiment("learning-to-learn", _ABOUT, PROTOCOL, list(_rows()), trial_run.run, score, **_MORE),)
