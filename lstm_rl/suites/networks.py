"""Networks for a sequence task by name: the published one, its descendants, and its competitors."""

from dataclasses import replace

from lstm_rl.checks import check_int
from lstm_rl.published import hs1997_lag_a_rtrl
from lstm_rl.tasks.task import Task
from lstm_rl.topology import Layer, Topology

UNITS = 10


def network(task: Task, name: str, units: int | None) -> Topology:
    """A network for a task.

    Args:
        task: Says how many inputs and outputs, and which network is published.
        name: "published"; "forget-gates" and "peepholes": the published one with these, forget biases 6 (ours);
            "inputs-only": the published one whose cells and gates see the inputs alone, as in experiment 2a (ours);
            "shortcuts": with the links of 2000, where outputs have biases and see the inputs besides, and nobody sees
            the gates (ours); "elman": logistic hidden units that see the input and one another, and outputs that see
            them; "one-unit": one such unit beside links from inputs to outputs, the competitor of experiment 2.
        units: Of an Elman net; None: 10.

    Raises:
        ValueError: ``units`` for another network, or a network that does not fit the task.
    """
    published = task.topology
    if units is not None and name != "elman":
        raise ValueError(f"units must be left out unless the network is elman, got {units} for {name}")
    if name == "elman":
        return Topology(
            task.inputs,
            task.outputs,
            hidden=check_int("units", UNITS if units is None else units, 1),
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
    if name in ("forget-gates", "peepholes"):
        biased = tuple(dict.fromkeys((*published.biased, "forget_gate")))
        return replace(published, forget_gate=True, forget_gate_bias=6.0, biased=biased, peepholes=name == "peepholes")
    if name == "inputs-only":
        return replace(published, cells_see=("input",), gates_see=("input",))
    if name == "shortcuts":
        seen: tuple[Layer, ...] = ("input", "cells")
        biased = tuple(dict.fromkeys((*published.biased, "output")))
        return replace(published, cells_see=seen, gates_see=seen, outputs_see=seen, biased=biased)
    return published
