"""The networks of the literature are the published ones: weight counts, initial weights, and they run."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lstm_rl.agents.policies import default_topology
from lstm_rl.nn import LstmNetwork
from lstm_rl.presets import preset
from lstm_rl.published import PUBLISHED, hs1997_lag_a, hs1997_lag_a_rtrl, hs1997_lag_c
from lstm_rl.topology import GATES, Bias, Topology

# Weights, range of initial weights, initial biases of input, forget and output gates; None: drawn, or no such gate
EXPECTED: dict[str, tuple[int, float, Bias, Bias, Bias]] = {
    "hs1997-reber-4x1": (264, 0.2, None, None, (-1, -2, -3, -4)),
    "hs1997-reber-3x2": (276, 0.2, None, None, (-1, -2, -3)),
    "hs1997-lag-a": (10504, 0.2, None, None, None),
    "hs1997-lag-a-rtrl": (10404, 0.2, None, None, None),
    "hs1997-lag-c": (664, 0.2, None, None, None),
    "hs1997-two-sequence": (102, 0.1, (-1, -3, -5), None, (-2, -4, -6)),
    "hs1997-adding": (93, 0.1, (-3, -6), None, None),
    "hs1997-multiplication": (93, 0.1, None, None, None),
    "hs1997-temporal-order-3": (156, 0.1, (-2, -4), None, None),
    "hs1997-temporal-order-4": (308, 0.1, (-2, -4, -6), None, None),
    "gers2000-cerg": (424, 0.2, (-0.5, -1, -1.5, -2), (0.5, 1, 1.5, 2), (-0.5, -1, -1.5, -2)),
    "gers2000-cnto": (468, 0.2, (-0.5, -1, -1.5, -2), (0.5, 1, 1.5, 2), (-0.5, -1, -1.5, -2)),
    "gers2001-anbn": (38, 0.1, -1, 2, -2),
    "gers2001-anbmbmam": (110, 0.1, -1, 2, -2),
    "gers2001-anbncn": (90, 0.1, -1, 2, -2),
    "gers2001-series": (98, 0.2, (-0.5, -1, -1.5, -2), (0.5, 1, 1.5, 2), (-0.5, -1, -1.5, -2)),
    "gers2002-timing": (17, 0.1, 0, 2, -2),
    "gers2002-timing-linear": (17, 0.1, 0, 2, -2),
    "hochreiter2001-quadratic": (5373, 0.1, (-1, -1, -2, -2, -3), None, 0),
    "blues-chords": (664, 0.2, *(((-0.5, -1, -1.5, -2),) * 3)),
    "blues-melody": (1542, 0.2, *(((-0.5, -1, -1.5, -2) * 2,) * 3)),
    "bakker2001-tmaze": (520, 0.1, 0, 3, 0),
    "bakker2001-pole": (954, 0.1, 0, 3, 0),
    "two-blocks": (156, 0.1, (-2, -4), None, None),
    "two-blocks-forget": (210, 0.1, (-2, -4), (0.5, 1), None),
}
# Without a bias: units that the papers leave without one
UNBIASED: dict[str, tuple[str, ...]] = {
    "hs1997-reber-4x1": ("cells", "output"),
    "hs1997-reber-3x2": ("cells", "output"),
    "hs1997-lag-a": ("input_gate", "cells", "output"),
    "hs1997-lag-a-rtrl": ("hidden", "output"),
    "hs1997-lag-c": ("input_gate", "output_gate", "cells", "output"),
    "hs1997-two-sequence": ("output",),
    "gers2000-cerg": ("cells",),
    "gers2001-series": ("cells",),
    "hochreiter2001-quadratic": ("output",),
    "gers2000-cnto": ("cells",),
    "blues-chords": ("cells",),
    "blues-melody": ("cells",),
}
# Squashing functions of cell inputs, cell outputs and outputs, where they are not those of 1997
SQUASHING = {
    "hs1997-adding": ("symmetric2", "symmetric1", "identity"),  # (ours)
    "hs1997-lag-a": ("logistic", "identity", "logistic"),
    "gers2001-series": ("symmetric2", "symmetric1", "identity"),
    "gers2001-anbn": ("identity", "identity", "symmetric2"),
    "gers2001-anbmbmam": ("identity", "identity", "symmetric2"),
    "gers2001-anbncn": ("identity", "identity", "symmetric2"),
    "gers2002-timing": ("identity", "identity", "logistic"),
    "gers2002-timing-linear": ("identity", "identity", "identity"),
    "bakker2001-tmaze": ("symmetric2", "symmetric1", "identity"),
    "bakker2001-pole": ("symmetric2", "symmetric1", "identity"),
}
RANGES = {"identity": (-np.inf, np.inf), "logistic": (0, 1), "symmetric2": (-2, 2)}  # of outputs


def test_every_network_is_compared() -> None:
    assert set(PUBLISHED) == set(EXPECTED)


@pytest.mark.parametrize("name", PUBLISHED)
def test_weight_counts_are_the_published_ones(name: str) -> None:
    assert PUBLISHED[name].weight_count == EXPECTED[name][0]


@pytest.mark.parametrize(
    ("make", "counts"),
    [
        (hs1997_lag_a, {100: 10504}),
        (hs1997_lag_a_rtrl, {4: 36, 10: 144, 100: 10404}),
        (hs1997_lag_c, {50: 364, 100: 664, 200: 1264, 500: 3064, 1000: 6064}),
    ],
)
def test_weight_counts_at_every_published_size(make: Callable[[int], Topology], counts: dict[int, int]) -> None:
    assert {p: make(p).weight_count for p in counts} == counts
    with pytest.raises(ValueError, match="^p must be an integer >= 1, got 0$"):
        make(0)


@pytest.mark.parametrize("name", PUBLISHED)
def test_initial_weights_are_the_published_ones(name: str) -> None:
    topology, (_, span, *fixed) = PUBLISHED[name], EXPECTED[name]
    draws = [topology.initial_weights(np.random.default_rng(seed)) for seed in range(40)]
    hidden, output = (np.array(each) for each in zip(*draws, strict=True))  # (40, M, U), (40, V, K)
    bias = topology.rows["bias"]
    drawn = topology.mask.copy()
    for gate, biases in zip(GATES, fixed, strict=True):
        column = topology.columns[gate]
        if biases is not None:
            drawn[bias, column] = False
            assert (hidden[:, bias, column] == np.array(biases)).all()
    read = topology.output_mask.copy()
    if topology.output_bias:
        row = topology.output_rows["bias"].start
        assert (output[:, row] == topology.output_bias).all()
        read[row] = False
    for values in (hidden[:, drawn], output[:, read]):
        assert 0.95 * span < np.abs(values).max() <= span
        assert abs(values.mean()) < 0.1 * span
    assert not hidden[:, ~topology.mask].any() and not output[:, ~topology.output_mask].any()


@pytest.mark.parametrize("name", PUBLISHED)
def test_biases_are_where_the_papers_have_them(name: str) -> None:
    topology = PUBLISHED[name]
    has_bias = {unit: bool(topology.mask[topology.rows["bias"], c].any()) for unit, c in topology.columns.items()}
    there = {unit for unit, c in topology.columns.items() if c.stop > c.start}
    has_bias["output"] = topology.output_rows["bias"].stop > topology.output_rows["bias"].start
    assert {unit for unit in there | {"output"} if not has_bias[unit]} == set(UNBIASED.get(name, ()))


@pytest.mark.parametrize("name", PUBLISHED)
def test_squashing_functions_are_the_published_ones(name: str) -> None:
    topology = PUBLISHED[name]
    expected = SQUASHING.get(name, ("symmetric2", "symmetric1", "logistic"))
    assert (topology.cell_input, topology.cell_output, topology.output_activation) == expected


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_network_runs(name: str) -> None:
    topology = PUBLISHED[name]
    x = torch.tensor(np.random.default_rng(0).normal(size=(5, 2, topology.inputs)), dtype=torch.float32)
    outputs, _ = LstmNetwork(topology, seed=0)(x)
    assert outputs.shape == (5, 2, topology.outputs)
    low, high = RANGES[topology.output_activation]
    assert ((low < outputs) & (outputs < high)).all()
    assert (outputs[0] != outputs[1]).any()


@pytest.mark.parametrize(("name", "env_id"), [("tmaze", "lstm_rl/TMaze-v0"), ("pole", "lstm_rl/MultimodePole-v0")])
def test_bakkers_networks_are_those_of_the_preset(name: str, env_id: str) -> None:
    topology = PUBLISHED[f"bakker2001-{name}"]
    config: Any = preset("bakker2001", env_id).config
    assert default_topology(config, topology.inputs, topology.outputs, horizon=100) == topology
