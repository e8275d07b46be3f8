"""Untrained networks side by side: how errors fade or grow in them, measured, and what theory says.

Dimensions: T = lags + 1 steps, I inputs, n units, C cells, q lag.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm

from lstm_rl.checks import check_int
from lstm_rl.diagnostics.decay import lstm_paths, norm_bound
from lstm_rl.diagnostics.error_flow import Errors, error_flow
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.lstm import LstmNetwork
from lstm_rl.nn.network import Network
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Layer, Topology

INPUTS = 4  # standard normal numbers at each step
WEIGHTS = (2.0, 3.9, 4.0, 4.1, 6.0)  # of the one unit
SCALES = (1.0, 4.0, 8.0)  # largest recurrent weights of Elman nets
FORGET_BIASES = (0.0, 1.0, 3.0, 6.0)


@dataclass(frozen=True, eq=False)
class Flow:
    """The error that one network carries back."""

    name: str
    """The family and, behind a comma, the member."""
    norms: Errors
    """Measured, by layer (T,), by lag."""
    theory: Errors
    """What theory says of some of these layers: of Elman nets a bound, of LSTM the path of the truncated gradient."""
    layer: str
    """Where errors start, and where to look at them: the layer that remembers."""

    @property
    def family(self) -> str:
        """The part of the name that several members share."""
        return self.name.partition(", ")[0]

    @property
    def shown(self) -> NDArray[np.float64]:
        """The norms at the layer that remembers, (T,)."""
        return self.norms[self.layer]


def compare(units: int = 8, lags: int = 1000, seed: int = 0, progress: bool = False) -> list[Flow]:
    """Measure one logistic unit with several weights to itself, then networks over one random sequence.

    Args:
        units: n >= 1 of each network: hidden units, blocks of one cell, or units of the gated networks.
        lags: The longest, >= 1.
        seed: >= 0, of weights and of the sequence.
        progress: Whether to show a bar.

    Raises:
        ValueError: A number is out of its range.
    """
    nets = networks(check_int("units", units, 1), check_int("seed", seed, 0))
    x = np.random.default_rng([seed, 1]).normal(size=(check_int("lags", lags, 1) + 1, INPUTS))
    bar = tqdm(nets.items(), unit="network", leave=False, disable=not progress)
    return [_measure(name, net, x[:, : net.inputs]) for name, net in bar]


def networks(units: int, seed: int) -> dict[str, Network]:
    """The single units, then untrained networks of ``units`` units and `INPUTS` inputs, by name."""
    rng = np.random.default_rng([seed, 2])
    nets: dict[str, Network] = {f"one unit, w = {w:g}": elman(np.array([[w]]), 0, seed) for w in WEIGHTS}
    for scale in SCALES:
        nets[f"Elman, |w| < {scale:g}"] = elman(rng.uniform(-scale, scale, (units, units)), INPUTS, seed)
    blocks: dict[str, Any] = {"inputs": INPUTS, "outputs": 1, "blocks": (1,) * units}
    topologies = {"LSTM 1997, no forget gate": Topology(**blocks, forget_gate=False)}
    for bias in FORGET_BIASES:
        topologies[f"LSTM 2000, forget bias {bias:g}"] = Topology(**blocks, forget_gate_bias=bias)
    topologies["LSTM 2002, forget bias 2"] = Topology(**blocks, forget_gate_bias=2.0, peepholes=True)
    for name, topology in topologies.items():
        nets[name] = LstmNetwork(topology, seed, dtype=torch.float64)
    nets["GRU"] = GruNetwork(INPUTS, 1, units, seed, dtype=torch.float64)
    nets["sLSTM"] = SlstmNetwork(INPUTS, 1, units, seed, dtype=torch.float64)
    return nets


def elman(w: NDArray[np.float64], inputs: int, seed: int) -> LstmNetwork:
    """Logistic units with recurrent weights ``w`` (n, n), from row to column, as steep as they can be.

    Biases are -1/2 of the sums of weights: units that stand at 1/2 stay there, where the slope is 1/4, but for inputs.
    With 0 inputs there is one that nobody sees.
    """
    sees: tuple[Layer, ...] = ("input", "hidden") if inputs else ("hidden",)
    net = LstmNetwork(Topology(inputs or 1, 1, hidden=len(w), hidden_sees=sees), seed, dtype=torch.float64)
    rows = net.topology.rows
    with torch.no_grad():
        net.hidden_weights[rows["hidden"]] = torch.as_tensor(w)
        net.hidden_weights[rows["bias"]] = torch.as_tensor(-w.sum(axis=0) / 2)
    return net


def _measure(name: str, net: Network, x: NDArray[np.float64]) -> Flow:
    state = net.initial_state(1)
    layer = "cell state" if "cell state" in net.named(state) else "hidden"
    theory: Errors = {}
    if isinstance(net, LstmNetwork) and layer == "cell state":
        theory = {name: path.max(axis=1) for name, path in lstm_paths(net, x).items()}
    elif isinstance(net, LstmNetwork):
        state = state._replace(y=torch.full_like(state.y, 0.5))
        w = net.hidden_weights[net.topology.rows["hidden"]].detach().numpy()
        theory = {"hidden": norm_bound(len(w), float(np.linalg.norm(w, 2)), np.arange(len(x)))}
    return Flow(name, error_flow(net, x, state, layer), theory, layer)
