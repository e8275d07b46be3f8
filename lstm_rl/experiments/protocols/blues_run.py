"""One run on the blues: a network learns the pieces, then plays by itself, and what it plays is measured.

Published: on-line gradient descent with momentum, the truncated gradient, a stream that ends with the first wrong
chord. Ours: Adam on the complete gradient of a few choruses at a time, whose rate falls to a fiftieth. A net that does
not keep the chords after that starts over with new weights, up to ``attempts`` times; all its updates count.

Dimensions: T steps, B pieces side by side, K units.
"""

import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from lstm_rl.checks import check_choice, check_int

if TYPE_CHECKING:
    from torch import Tensor

    from lstm_rl.experiments.engine import Report
    from lstm_rl.tasks.blues import Blues

Learner = Literal["lstm", "published", "elman", "gru", "guess"]
UNITS = {"elman": 24, "gru": 12}
CHORUSES = {False: 10_000, True: 1_000}
"""That are to be right in the end, by whether there is a melody."""
TORCH_CHORUSES = 100  # of a GRU, whose step takes near a millisecond
BETAS = 0.9, 0.99
PRACTISE = 100_000  # steps of published training between two tests


@dataclass(frozen=True)
class BluesRun:
    """One run."""

    learner: Learner = "lstm"
    """The published network by our training, the same by the published training, an Elman net, a GRU, or the published
    network with weights that are guessed anew in each trial."""
    melody: bool = False
    """Experiment 2, with a melody, or 1, chords alone."""
    form: str = "bebop"
    """Chords of the 12 bars: bebop or plain."""
    midi_file: str = ""
    """A MIDI file in the place of our pieces."""
    updates: int = 12_000
    """Of the weights; of published training thousands of steps, of guessing trials."""
    attempts: int = 8
    """With new weights, >= 1."""
    batch: int = 1
    """Pieces side by side."""
    choruses: int = 2
    """Of each piece in an update, >= 1."""
    learning_rate: float = 0.03
    """Of Adam at first."""
    seed: int = 0

    def make_task(self) -> "Blues":
        """The pieces."""
        from lstm_rl.tasks.blues import Blues

        return Blues(self.melody, self.form, self.midi_file)


class Trained(NamedTuple):
    """What came out of training."""

    player: Any  # an approximator
    network: Any  # the same in Torch; None: after published training and guessing
    attempts: int
    updates: int
    seconds: float  # of the processor


def check(run: BluesRun) -> None:
    """Check settings.

    Raises:
        ValueError: One is out of its range.
    """
    check_choice("learner", run.learner, ("lstm", "published", "elman", "gru", "guess"))
    for name in ("updates", "attempts", "batch", "choruses"):
        check_int(name, getattr(run, name), 1)
    run.make_task()


def run(settings: BluesRun, report: "Report") -> dict[str, Any]:
    """Train, then measure; see `lstm_rl.experiments.protocols.blues_measures`."""
    from lstm_rl.experiments.protocols.blues_measures import measure

    check(settings)
    trained, task = train(settings, report), settings.make_task()
    choruses = TORCH_CHORUSES if settings.learner == "gru" else CHORUSES[settings.melody]
    results = measure(trained.player, task, settings.seed, choruses, settings.learner != "gru")
    return results | {
        "attempt": trained.attempts,
        "trained_updates": trained.updates,
        "seconds": round(trained.seconds, 2),
    }


def train(settings: BluesRun, report: "Report") -> Trained:
    """Train until the chords are kept for 20 choruses, or, with a melody, for all updates."""
    import torch

    torch.set_num_threads(1)
    if settings.learner == "guess":
        return _guess(settings, report)
    task, began, done = settings.make_task(), time.process_time(), 0
    for attempt in range(settings.attempts):
        rng = np.random.default_rng([settings.seed, attempt])
        learn = _practise if settings.learner == "published" else _descend
        player, network, updates = learn(settings, task, rng, partial(_report, report, done))
        done += updates
        if keeps_chords(player, task):
            break
    return Trained(player, network, attempt + 1, done, time.process_time() - began)


def _report(report: "Report", before: int, now: int) -> None:
    report(before + now)


def keeps_chords(player: Any, task: "Blues") -> bool:
    """Whether 20 choruses that are played from rest have no wrong chord."""
    from lstm_rl.tasks.composing import play

    steps = 20 * task.max_length
    done: int = play(player, task, steps, 0, task.max_length, stop=True)[1]
    return done == steps


def pieces(task: "Blues", batch: int, choruses: int, rng: np.random.Generator) -> "tuple[Tensor, Tensor]":
    """Choruses in a row, B times: inputs and targets, (T, B, K) each."""
    import torch

    rows = [task.batch(choruses, rng) for _ in range(batch)]
    x, targets = (
        np.stack([getattr(row, name).swapaxes(0, 1).reshape(-1, task.inputs) for row in rows], 1)
        for name in ("x", "targets")
    )
    return torch.from_numpy(x), torch.from_numpy(targets)


def _descend(settings: BluesRun, task: "Blues", rng: np.random.Generator, report: "Report") -> tuple[Any, Any, int]:
    """Adam on the cross-entropy, errors carried back over all steps of the pieces."""
    import torch
    from torch.nn.functional import binary_cross_entropy_with_logits
    from torch.optim.lr_scheduler import LinearLR

    network = make_network(settings, task, int(rng.integers(2**31)))
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate, BETAS)
    schedule = LinearLR(optimizer, 1.0, 0.02, settings.updates)
    for update in range(settings.updates):
        x, targets = pieces(task, settings.batch, settings.choruses, rng)
        net, _ = network(x)
        loss = binary_cross_entropy_with_logits(net, targets, reduction="sum") / (len(x) * settings.batch)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if update % 100 == 99:
            report(update + 1)
            if not settings.melody and keeps_chords(player := make_player(network), task):
                return player, network, update + 1
    return make_player(network), network, settings.updates


def _practise(settings: BluesRun, task: "Blues", rng: np.random.Generator, report: "Report") -> tuple[Any, Any, int]:
    """Streams that end with the first wrong chord, a step of the weights after each eighth."""
    from lstm_rl.compiled import flushed
    from lstm_rl.experiments.protocols.continual_run import make_rules
    from lstm_rl.experiments.protocols.sequence_learner import make_learner, make_update
    from lstm_rl.experiments.protocols.sequence_run import SequenceRun
    from lstm_rl.tasks.composing import practise
    from lstm_rl.tasks.streaming import make_source

    as_published = SequenceRun(task=task.name).resolved()
    player, source = make_learner(as_published, task, rng), make_source(task, rng)
    rules, update, steps = make_rules(as_published, task), make_update(as_published), 0
    while steps < 1000 * settings.updates:
        with flushed():
            steps += practise(player, source, update, rules, min(PRACTISE, 1000 * settings.updates))[0]
        report(steps // 1000)
        if not settings.melody and keeps_chords(player, task):
            break
    return player, None, steps // 1000


def _guess(settings: BluesRun, report: "Report") -> Trained:
    """Guess all weights until the chords are kept for 20 choruses, or ``updates`` trials are used up."""
    from lstm_rl.experiments.protocols.network_guessing import TRIALS_PER_REPORT, redraw
    from lstm_rl.experiments.protocols.sequence_learner import make_learner
    from lstm_rl.experiments.protocols.sequence_run import SequenceRun

    task, rng, began = settings.make_task(), np.random.default_rng(settings.seed), time.process_time()
    player = make_learner(SequenceRun(task=task.name, gradient="guess").resolved(), task, rng)
    generator = rng.integers(2**64, size=1, dtype=np.uint64)
    for trial in range(settings.updates):
        redraw(player, task.topology.mask, generator)
        if trial % TRIALS_PER_REPORT == TRIALS_PER_REPORT - 1:
            report(trial + 1)
        if keeps_chords(player, task):
            break
    return Trained(player, None, 1, trial + 1, time.process_time() - began)


def make_network(settings: BluesRun, task: "Blues", seed: int) -> Any:
    """A network in Torch with linear outputs, float64."""
    import torch

    from lstm_rl.nn.gru import GruNetwork
    from lstm_rl.nn.lstm import LstmNetwork
    from lstm_rl.topology import Topology

    if settings.learner == "gru":
        return GruNetwork(task.inputs, task.outputs, units=UNITS["gru"], seed=seed, dtype=torch.float64)
    topology = task.topology
    if settings.learner == "elman":
        ranges = ("input_range", "recurrent_range", "output_range", "bias_range")
        span: dict[str, Any] = dict.fromkeys(ranges, 0.2)
        topology = Topology(task.inputs, task.outputs, UNITS["elman"], hidden_activation="tanh", **span)
    return LstmNetwork(replace(topology, output_activation="identity"), seed=seed, dtype=torch.float64)


def make_player(network: Any) -> Any:
    """A network in Torch as an approximator with logistic outputs; weights are copied."""
    from lstm_rl.experiments.protocols.torch_sequences import torch_stream
    from lstm_rl.kernels.layout import make_weights
    from lstm_rl.kernels.make import make_approximator
    from lstm_rl.nn.lstm import LstmNetwork

    if not isinstance(network, LstmNetwork):
        return torch_stream(network, True, 1)
    topology = replace(network.topology, output_activation="logistic")
    weights = make_weights(topology, np.random.default_rng(0))
    weights.hidden[:] = (network.hidden_weights * network.mask).detach().numpy()
    weights.output[:] = (network.output_weights * network.output_mask).detach().numpy()
    return make_approximator(topology, weights, 1, np.float64)
