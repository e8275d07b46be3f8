"""The policies by name: what network each is made of."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from lstm_rl.agents.config import Config, Gradient
from lstm_rl.agents.memory_policy import MemoryPolicy as MemoryPolicy
from lstm_rl.agents.models import Boxes, Module, Network, action_inputs
from lstm_rl.checks import check_int
from lstm_rl.kernels.cells import Cells
from lstm_rl.nn.gru import GruNetwork
from lstm_rl.nn.slstm import SlstmNetwork
from lstm_rl.topology import Layer, Topology


class LstmPolicy(MemoryPolicy):
    """The compiled networks: exact cells or memory blocks, as `Config.network` says, or any `Topology` or `Cells`.

    Outputs (K,) are Advantage values, one per action, or what the actor-critic makes of them.
    """

    def _model(self, actions: int, topology: Topology | Cells | None) -> Network:
        config = self.config
        if topology is None:
            _check_fields(config)
        make: Callable[..., Topology | Cells] = default_topology
        if config.network == "exact":
            make = partial(exact_network, choices=0 if self.decoder.dimensions else self.decoder.size)
        topology = topology or make(config, self.sensors, actions, self.horizon)
        return Network(
            _fitting(topology, self.sensors + action_inputs(topology), actions), config.gradient, config.bptt_depth
        )


class ElmanPolicy(MemoryPolicy):
    """``Config.hidden`` units that see their own last outputs, by the complete gradient: bptt, or rtrl if asked for.

    The recurrent net of Bakker's comparison: a topology without memory blocks.
    """

    def _model(self, actions: int, topology: Topology | Cells | None) -> Network:
        if topology is None:
            check_int("hidden", self.config.hidden, 1)
        config = replace(self.config, cells=0, recurrent=True)
        topology = topology or default_topology(config, self.sensors, actions, self.horizon)
        gradient: Gradient = "rtrl" if config.gradient == "rtrl" else "bptt"  # truncated there is no memory to learn
        return Network(_fitting(topology, self.sensors, actions), gradient, config.bptt_depth)


class MemoryBitsPolicy(MemoryPolicy):
    """A table of Advantage values over boxes of observations and memory bits, which actions switch (Peshkin 1999)."""

    def _model(self, actions: int, topology: Topology | Cells | None) -> Boxes:
        if topology is not None:
            raise ValueError(f"topology must be None for a table, got {topology}")
        if self.rule != "advantage":
            raise ValueError(f"rule must be 'advantage' for a table, whose entries are values, got {self.rule!r}")
        if self.config.normalize_observations:
            raise ValueError("normalize_observations must be False for a table, whose boxes are fixed, got True")
        return Boxes(self.observation_space, actions, self.config.memory_bits, self.config.regions)


class GruPolicy(MemoryPolicy):
    """``Config.cells`` gated recurrent units (Cho et al. 2014), in Torch: see `lstm_rl.nn.streams`."""

    def _model(self, actions: int, topology: Topology | Cells | None) -> Module:
        return self._module(partial(GruNetwork, units=check_int("cells", self.config.cells, 1)), actions)


class SlstmPolicy(MemoryPolicy):
    """``Config.cells`` sLSTM cells (xLSTM, Beck et al. 2024), in Torch."""

    def _model(self, actions: int, topology: Topology | Cells | None) -> Module:
        return self._module(partial(SlstmNetwork, units=check_int("cells", self.config.cells, 1)), actions)


class TorchPolicy(MemoryPolicy):
    """Anybody's Torch module with the interface `lstm_rl.nn.network.Network`, built by ``policy_kwargs["network"]``."""

    def _model(self, actions: int, topology: Topology | Cells | None) -> Module:
        if self._builder is None:
            raise ValueError("network must be given in policy_kwargs: a class or function that builds the module")
        return self._module(self._builder, actions)


_ALL = (LstmPolicy, ElmanPolicy, GruPolicy, SlstmPolicy, TorchPolicy, MemoryBitsPolicy)
POLICIES = {policy.__name__: policy for policy in _ALL}


_LSTM_FIELDS = (
    *("hidden", "recurrent", "cell_bias", "forget_range", "recurrent_range", "bias_range"),
    *("input_gate_bias", "input_gate_offset", "forget_gate_bias", "forget_gate_offset", "output_gate_bias"),
)


def _check_fields(config: Config) -> None:
    """Refuse settings of the network that was not chosen."""
    other = {"exact": ("lstm", _LSTM_FIELDS), "lstm": ("exact", ("trace_units", "readout", "previous_action"))}
    network, names = other[config.network]
    for name in names:
        if getattr(config, name) != getattr(Config, name):
            raise ValueError(
                f"{name} must be left alone with network={config.network!r}, got {getattr(config, name)!r}: it is a "
                f"setting of network={network!r}"
            )


def _fitting(topology: Topology | Cells, inputs: int, actions: int) -> Topology | Cells:
    if (topology.inputs, topology.outputs) != (inputs, actions):
        raise ValueError(
            f"topology must have {inputs} inputs and {actions} outputs for these spaces, "
            f"got {topology.inputs} and {topology.outputs}"
        )
    return topology


def default_topology(config: Config, inputs: int, actions: int, horizon: int) -> Topology:
    """The network that a configuration describes: hidden units and blocks of one cell with three gates.

    Raises:
        ValueError: It has neither; or as `Topology`.
    """
    if not config.cells and not config.hidden:
        raise ValueError(
            "cells and hidden must not both be 0: the network would have no hidden layer, got cells=0 and hidden=0"
        )
    sees: tuple[Layer, ...] = ("input", "hidden", "cells") if config.recurrent else ("input",)
    biased = ("hidden", "input_gate", "forget_gate", "output_gate", *(("cells",) if config.cell_bias else ()), "output")
    return Topology(
        inputs,
        actions,
        hidden=config.hidden,
        blocks=(1,) * config.cells,
        hidden_sees=sees,
        cells_see=sees,
        gates_see=sees,
        biased=biased,
        input_range=config.input_range,
        forget_range=config.forget_range,
        recurrent_range=config.recurrent_range,
        output_range=config.output_range,
        bias_range=config.bias_range,
        input_gate_bias=config.input_gate_bias_for(horizon),
        forget_gate_bias=config.forget_gate_bias_for(horizon),
        output_gate_bias=config.output_gate_bias,
    )


def exact_network(config: Config, inputs: int, actions: int, horizon: int, choices: int = 0) -> Cells:
    """The network of exact cells that a configuration describes.

    Args:
        config: Its settings.
        inputs: Numbers per observation.
        actions: Outputs K.
        horizon: Steps >= 1.
        choices: Number of actions, whose last one may be an input; 0 where they are continuous, and never are.
    """
    previous = choices if config.previous_action_for(horizon) else 0
    layers = (("self_lstm", config.cells), ("rtu", config.trace_units))
    return Cells(
        inputs + previous,
        actions,
        tuple((cell, units) for cell, units in layers if units),
        hidden=config.readout,
        time_scales=(1.0 if config.spread_forget_gates else float(horizon), float(horizon)),
        input_range=config.input_range,
        output_range=config.output_range,
        actions=previous,
    )
