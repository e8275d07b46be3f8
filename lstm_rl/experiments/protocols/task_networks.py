"""Networks for a sequence task by name: the published one, its descendants, and its competitors."""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, get_args

from lstm_rl.checks import check_float, check_int
from lstm_rl.experiments.protocols.sequence_run import TorchName
from lstm_rl.published import hs1997_lag_a_rtrl
from lstm_rl.topology import Layer, Topology

if TYPE_CHECKING:
    from lstm_rl.experiments.protocols.torch_sequences import Build
    from lstm_rl.tasks.task import Task

UNITS = 10
STATE_DECAY = 0.9


def make_network(
    task: "Task", name: str, units: int | None = None, initial_range: float | None = None
) -> "Topology | Build":
    """A network for a task.

    Args:
        task: Says how many inputs and outputs, and which network is published.
        name: "published"; "standard": the published one without forget gates; "state-decay": the same with states that
            keep .9 of themselves at each step; "forget-gates" and "peepholes": the published one with these, forget
            biases 6 (ours); "without-peepholes": the published one without them;
            "open-gates": the published one whose input and forget gates have biases 8 (ours);
            "rising-forget": the published one whose forget gates have biases 1, 2, 3, ... from block to block (ours);
            "inputs-only": the published one whose cells and gates see the inputs alone, as in experiment 2a (ours);
            "shortcuts": with the links of 2000, where outputs have biases and see the inputs besides, and nobody sees
            the gates (ours); "elman": logistic hidden units that see the input and one another, and outputs that see
            them; "one-unit": one such unit beside links from inputs to outputs, the competitor of experiment 2; "gru"
            and "slstm": `GruNetwork` and `SlstmNetwork` in Torch.
        units: Of an Elman net, GRU or sLSTM; None: 10.
        initial_range: Weights of cells, gates and hidden units begin uniform in +- this, biases aside (ours). None: as
            published.

    Raises:
        ValueError: ``units`` for another network, ``initial_range`` for one in Torch, or a network that does not fit.
    """
    if initial_range is not None:
        span = check_float("initial-range", initial_range, 0.0, open_low=True)
        topology = make_network(task, name, units)
        if not isinstance(topology, Topology):
            raise ValueError(f"initial-range must be left out for a Torch network, got {initial_range} for {name}")
        return replace(topology, input_range=span, recurrent_range=span)
    published = task.topology
    if units is not None and name not in ("elman", *get_args(TorchName)):
        raise ValueError(f"units must be left out unless the network is elman, gru or slstm, got {units} for {name}")
    units = check_int("units", UNITS if units is None else units, 1)
    if name in get_args(TorchName):
        from lstm_rl.nn.gru import GruNetwork
        from lstm_rl.nn.slstm import SlstmNetwork

        return partial(GruNetwork if name == "gru" else SlstmNetwork, units=units)
    if name == "elman":
        return Topology(
            task.inputs,
            task.outputs,
            hidden=units,
            output_activation=published.output_activation,
            hidden_sees=("input", "hidden"),
            biased=("hidden", "output"),
            input_range=0.5,
            recurrent_range=0.5,
            output_range=0.5,
            bias_range=0.5,
        )
    if name == "one-unit":
        if task.inputs != task.outputs:
            raise ValueError(
                "network must be another than one-unit, whose inputs and outputs are the same symbols, "
                f"got one-unit for {task.inputs} inputs and {task.outputs} outputs"
            )
        return hs1997_lag_a_rtrl(task.inputs - 1)
    if name in ("standard", "state-decay"):
        unforgetting = tuple(unit for unit in published.biased if unit != "forget_gate")
        decay = STATE_DECAY if name == "state-decay" else 1.0
        return replace(published, forget_gate=False, forget_gate_bias=None, biased=unforgetting, state_decay=decay)
    if name in ("forget-gates", "peepholes"):
        biased = tuple(dict.fromkeys((*published.biased, "forget_gate")))
        return replace(published, forget_gate=True, forget_gate_bias=6.0, biased=biased, peepholes=name == "peepholes")
    if name == "without-peepholes":
        return replace(published, peepholes=False)
    if name in ("open-gates", "rising-forget") and not published.forget_gate:
        raise ValueError(
            f"network must be another than {name} for tasks without forget gates, got {name} for {task.name}"
        )
    if name == "open-gates":
        return replace(published, input_gate_bias=8.0, forget_gate_bias=8.0)
    if name == "rising-forget":
        return replace(published, forget_gate_bias=tuple(1.0 + block for block in range(len(published.blocks))))
    if name == "inputs-only":
        return replace(published, cells_see=("input",), gates_see=("input",))
    if name == "shortcuts":
        seen: tuple[Layer, ...] = ("input", "cells")
        biased = tuple(dict.fromkeys((*published.biased, "output")))
        return replace(published, cells_see=seen, gates_see=seen, outputs_see=seen, biased=biased)
    return published
