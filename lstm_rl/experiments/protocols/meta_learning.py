"""One run of a network that learns to learn (Hochreiter, Younger & Conwell 2001): trained on functions, then frozen.

Training draws new functions for each batch and descends the complete gradient by Adam, rates falling to 0 as a cosine.
The loss is the mean over examples of the log of a batch's mean squared error there: an error that is a hundred times
smaller at example 64 than at example 1, where nobody can know, counts as much. Boolean functions, whose errors vanish,
have the mean squared error itself. Networks see and say targets as (target - .5) / scale.

Dimensions: J examples, B functions of a batch.
"""

import math
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.experiments.protocols.meta_references import curves, seen_before
from lstm_rl.tasks.function_families import FunctionFamily

if TYPE_CHECKING:
    from torch import Tensor

    from lstm_rl.experiments.engine import Report

SELF, INTROSPECTIVE = "self-referential", "introspective"
FIXED = " fixed"  # the same, but its weights do not change while it runs
NETWORKS = ("lstm", "published", "elman", "gru", "slstm", SELF, SELF + FIXED, INTROSPECTIVE, INTROSPECTIVE + FIXED)
TEST_FUNCTIONS = 2000
"""Fresh functions that a trained network is tested on; the paper has 128."""
TEST_EXAMPLES = 64
SHARE = 0.1
"""A function counts as learned once the error stays below this share of what the best constant has."""
WARM_UP = 100  # first updates, over which the rate rises
FLOOR = 1e-6  # of mean squared errors in the loss


@dataclass(frozen=True)
class MetaRun:
    """Everything that a run depends on."""

    family: str = "quadratic"
    """As in `FunctionFamily`."""
    network: str = "lstm"
    """One of `NETWORKS`: the standard cell; the 5,373 weights of 2001; logistic units; GRU; sLSTM; self-referential
    networks of 2022 and of 1993, and the same with fixed weights."""
    units: int = 34
    """Of all but the published network, >= 1; 34 standard cells have 5,203 weights."""
    seed: int = 0
    updates: int = 40_000
    """Of weights, >= 1."""
    batch: int = 64
    """Functions per update, >= 1."""
    learning_rate: float = 0.005
    """The highest, > 0."""
    examples: int = 64
    """J in training, >= 1; tests always have `TEST_EXAMPLES`."""
    noise: float = 0.0
    """Standard deviation of the noise on last targets."""
    layers: int = 1
    """Of a self-referential network."""
    heads: int = 1
    """Of a self-referential network."""
    long_share: float = 0.0
    """Share of updates, the last ones, whose sequences have 64 examples, as those of tests have, 0 to 1."""


def check(settings: MetaRun) -> None:
    """Check that a run can be done.

    Raises:
        ValueError: It cannot.
    """
    FunctionFamily(settings.family, settings.examples, settings.noise)
    check_choice("network", settings.network, NETWORKS)
    for name in ("units", "updates", "batch", "layers", "heads"):
        check_int(name, getattr(settings, name), 1)
    check_float("learning_rate", settings.learning_rate, 0.0, open_low=True)
    check_float("long_share", settings.long_share, 0.0, 1.0)
    if settings.network.startswith(SELF) and settings.units % settings.heads:
        raise ValueError(f"units must be a multiple of heads, got {settings.units} and {settings.heads}")


def make_network(settings: MetaRun) -> Any:
    """The untrained network, an `lstm_rl.nn.network.Network`."""
    from lstm_rl.nn import LstmNetwork
    from lstm_rl.nn.exchange import standard_topology
    from lstm_rl.nn.gru import GruNetwork
    from lstm_rl.nn.introspective import IntrospectiveNetwork
    from lstm_rl.nn.self_referential import SelfReferentialNetwork
    from lstm_rl.nn.slstm import SlstmNetwork
    from lstm_rl.published import PUBLISHED
    from lstm_rl.topology import Topology

    units, seed = settings.units, settings.seed
    published = replace(PUBLISHED["hochreiter2001-quadratic"], output_activation="identity")  # targets: standardised
    elman = Topology(3, 1, hidden=units, hidden_sees=("input", "hidden"), outputs_see=("hidden",), **_ranges(units))
    make: dict[str, Any] = {
        "lstm": lambda: _spread(LstmNetwork(standard_topology(3, 1, units), seed), seed),
        "published": partial(LstmNetwork, published, seed),
        "elman": partial(LstmNetwork, elman, seed),
        "gru": partial(GruNetwork, 3, 1, units, seed),
        "slstm": partial(SlstmNetwork, 3, 1, units, seed),
    }
    own: Any = {"layers": settings.layers, "heads": settings.heads}
    for end in ("", FIXED):
        make[SELF + end] = partial(SelfReferentialNetwork, 3, 1, units, seed, self_modifying=not end, **own)
        make[INTROSPECTIVE + end] = partial(IntrospectiveNetwork, 3, 1, units, seed, self_modifying=not end)
    return make[settings.network]()


def _ranges(units: int) -> dict[str, Any]:
    """Initial weights of logistic units: twice those of Torch's tanh units, since their slope is a quarter."""
    return dict.fromkeys(("input_range", "recurrent_range", "output_range", "bias_range"), 2.0 / math.sqrt(units))


def _spread(network: Any, seed: int) -> Any:
    """The standard cell with all weights uniform in +-1 / sqrt(units) and forget biases spread from 1 to 5."""
    import torch

    rng, units = np.random.default_rng(seed), network.topology.cells
    columns, rows = network.topology.columns, network.topology.rows
    with torch.no_grad():
        for weights in network.parameters():
            weights.copy_(torch.tensor(rng.uniform(-1.0, 1.0, weights.shape) / math.sqrt(units)))
        network.hidden_weights[rows["bias"], columns["forget_gate"]] = torch.linspace(1.0, 5.0, units)
    return network


def tensors(family: FunctionFamily, batch: Any) -> "tuple[Tensor, Tensor]":
    """A batch as a network sees it, (J, B, 3) and (J, B), in units of the family's scale."""
    import torch

    x = batch.x.copy()
    x[..., 2] = (x[..., 2] - 0.5) / family.scale
    targets = (batch.targets[..., 0] - 0.5) / family.scale
    return torch.tensor(x, dtype=torch.float32), torch.tensor(targets, dtype=torch.float32)


def train(settings: MetaRun, report: "Report") -> Any:
    """A trained network."""
    import torch

    short, family = (FunctionFamily(settings.family, n, settings.noise) for n in (settings.examples, TEST_EXAMPLES))
    network, rng = make_network(settings), np.random.default_rng([settings.seed, 0])
    parameters = list(network.parameters())
    optimizer = torch.optim.Adam(parameters, settings.learning_rate, betas=(0.9, 0.99))
    for n in range(settings.updates):
        rate = 0.5 * (1.0 + math.cos(math.pi * n / settings.updates)) * min(1.0, (n + 1) / WARM_UP)
        for group in optimizer.param_groups:
            group["lr"] = settings.learning_rate * rate
        source = family if n >= (1.0 - settings.long_share) * settings.updates else short
        x, targets = tensors(family, source.batch(settings.batch, rng))
        squares = (network(x)[0][..., 0] - targets).square().mean(1)  # (J,)
        loss = squares.mean() if family.boolean else torch.log(squares + FLOOR).mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        report(n + 1)
    return network


def run(settings: MetaRun, report: "Report") -> dict[str, Any]:
    """Train one network, freeze it and test it on fresh functions.

    Returns:
        success: see `score_of`; weights: their number; functions: seen in training; seconds: CPU time of training;
        learned, right_again, ratio: see `score_of`; errors: mean absolute error at example 1 .. 64; one list like it
        for each of `references`, on the same functions; stopped right_again and stopped errors: of the same trained
        network when its weights may no longer change while it runs, if it is one that changes them.
    """
    import torch

    torch.set_num_threads(1)
    began = time.process_time()
    network = train(settings, report)
    seconds = time.process_time() - began
    family = FunctionFamily(settings.family, TEST_EXAMPLES, settings.noise)
    batch = family.batch(TEST_FUNCTIONS, np.random.default_rng([settings.seed, 1]))
    x, _ = tensors(family, batch)
    known = curves(family, batch)
    results = score_of(family, batch, _answers(network, family, x), known)
    if getattr(network, "self_modifying", False):
        network.self_modifying = False
        stopped = score_of(family, batch, _answers(network, family, x), known)
        results |= {f"stopped {name}": stopped[name] for name in ("right_again", "errors")}
    topology = getattr(network, "topology", None)
    weights = topology.weight_count if topology else sum(each.numel() for each in network.parameters())
    counted = {"weights": weights, "functions": settings.updates * settings.batch, "seconds": round(seconds, 1)}
    return results | counted | {f"{name} errors": curve for name, curve in known.items()}


def _answers(network: Any, family: FunctionFamily, x: "Tensor") -> Any:
    """What a frozen network says to x (J, B, 3), in units of targets, (J, B)."""
    import torch

    with torch.no_grad():
        return network(x)[0][..., 0].double().numpy() * family.scale + 0.5


def score_of(family: FunctionFamily, batch: Any, outputs: Any, known: dict[str, list[float]]) -> dict[str, Any]:
    """What a frozen network's outputs (J, B) come to.

    Returns:
        success: Boolean: all right at inputs that were there before; quadratic: learned within 30 examples;
        semi-linear: within 10.
        learned: the first example from which on the error stays below `SHARE` of that of a constant; None: none.
        right_again: Boolean: share of right answers (on the right side of .5) where the same inputs were there before.
        ratio: the largest error from example 10 on, in least squares' errors there; None without noise: they are 0.
        errors: mean absolute error at each example.
    """
    targets = batch.targets[..., 0]
    errors = np.abs(outputs - targets).mean(1)  # (J,)
    high = np.flatnonzero(errors > SHARE * np.mean(known["constant"]))
    learned = None if len(high) and high[-1] == len(errors) - 1 else int(high[-1]) + 2 if len(high) else 1
    again, ratio = None, None
    if family.boolean:
        right = (outputs > 0.5) == (targets > 0.5)
        again = float(right[seen_before(batch.x[..., :2])].mean())
        success = again == 1.0
    else:
        if family.noise > 0.0:
            ratio = float((errors[9:] / np.array(known["least squares"])[9:]).max())
        success = learned is not None and learned <= (30 if family.family == "quadratic" else 10)
    return {"success": success, "learned": learned, "right_again": again, "ratio": ratio, "errors": errors.tolist()}
