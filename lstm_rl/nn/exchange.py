"""The standard cell's weights to and from `torch.nn.LSTM`."""

import torch
from torch import Tensor, nn

from lstm_rl.nn.lstm import LstmNetwork, torch_layout
from lstm_rl.topology import Topology

_NAMES = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")


def standard_topology(inputs: int, outputs: int, cells: int) -> Topology:
    """The standard cell, that of `torch.nn.LSTM` with a linear read-out: forget gates, tanh, everything biased.

    Args:
        inputs: I >= 1.
        outputs: K >= 1.
        cells: C >= 1.
    """
    return Topology(
        inputs,
        outputs,
        blocks=(1,) * cells,
        cell_input="tanh",
        cell_output="tanh",
        cells_see=("input", "cells"),
        gates_see=("input", "cells"),
        outputs_see=("cells",),
    )


def from_torch(lstm: nn.LSTM, read_out: nn.Linear) -> LstmNetwork:
    """A network with the weights of one layer of `torch.nn.LSTM` and of a linear read-out.

    Raises:
        ValueError: Several layers or directions, a projection, no biases, or a read-out of another size.
    """
    if lstm.num_layers != 1 or lstm.bidirectional or lstm.proj_size or not lstm.bias:
        raise ValueError(f"lstm must have one layer, one direction, biases and no projection, got {lstm}")
    if read_out.in_features != lstm.hidden_size or read_out.bias is None:
        raise ValueError(f"read_out must have {lstm.hidden_size} inputs and a bias, got {read_out}")
    topology = standard_topology(lstm.input_size, read_out.out_features, lstm.hidden_size)
    w_ih, w_hh, b_ih, b_hh = (getattr(lstm, name) for name in _NAMES)
    network = LstmNetwork(topology, dtype=w_ih.dtype)
    with torch.no_grad():
        rows = torch.cat([w_ih.T, w_hh.T, (b_ih + b_hh)[None]])  # (M, 4C) as `Topology` orders sources
        for name, part in zip(("input_gate", "forget_gate", "cells", "output_gate"), rows.chunk(4, dim=1), strict=True):
            network.hidden_weights[:, topology.columns[name]] = part
        network.output_weights.copy_(torch.cat([read_out.weight.T, read_out.bias[None]]))
    return network


def to_torch(network: LstmNetwork) -> tuple[nn.LSTM, nn.Linear]:
    """`torch.nn.LSTM` and a linear read-out with a network's weights.

    Raises:
        ValueError: The network's cell is not the standard one, or its outputs are squashed or see the inputs.
    """
    t = network.topology
    if not t.is_standard or t.outputs_see != ("cells",) or t.output_activation != "identity":
        raise ValueError(f"network must be the standard cell with a linear read-out of cells, got\n{t}")
    weights: Tensor = network.hidden_weights.detach()
    lstm = nn.LSTM(t.inputs, t.cells, dtype=weights.dtype)
    read_out = nn.Linear(t.cells, t.outputs, bias="output" in t.biased, dtype=weights.dtype)
    with torch.no_grad():
        w_ih, w_hh, bias = torch_layout(t, weights)
        for name, values in zip(_NAMES, (w_ih.T, w_hh.T, bias[0], 0.0 * bias[0]), strict=True):
            lstm.get_parameter(name).copy_(values)
        read_out.weight.copy_(network.output_weights[: t.cells].T)
        if "output" in t.biased:
            read_out.bias.copy_(network.output_weights[t.cells])
    return lstm, read_out
