"""A `Topology` as plain arrays for compiled code: where everything stands, the weights, and the state of streams.

Dimensions: n streams, M sources, U units, C cells, B blocks, V output sources, K outputs, S slots = cells of the
largest block.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lstm_rl.compiled import kernel
from lstm_rl.kernels.squashing import SQUASHINGS, Squashing
from lstm_rl.topology import Topology

Numbers = NDArray[Any]


class Net(NamedTuple):
    """A `Topology` as plain numbers for compiled code: where each unit's column and each source's row begins."""

    has_input_gate: bool
    has_forget_gate: bool
    has_output_gate: bool
    state_decay: float
    input_gate: int  # columns; hidden units stand at 0
    forget_gate: int
    output_gate: int
    cells: int
    row_input: int  # rows and how many of each there are
    row_inputs: int
    row_hidden: int
    row_hiddens: int
    row_gate: int
    row_gates: int
    row_cell: int
    row_cells: int
    row_bias: int
    row_biases: int
    row_state_tm1: int
    row_states_tm1: int
    row_state_t: int
    row_states_t: int
    out_inputs: int  # output rows of each kind, in this order, then the bias
    out_hiddens: int
    out_cells: int
    out_biases: int
    block_of_cell: Numbers  # (C,)
    slot_of_cell: Numbers  # (C,)
    masked: Numbers  # (M,) bool, whether some weight of a row does not exist
    mask: Numbers  # (M, U) of 0 and 1
    output_masked: bool  # whether some weight into an output does not exist
    output_mask: Numbers  # (V, K) of 0 and 1
    gain: Numbers  # (U,) squashing of each unit, see `Squashing`
    scale: Numbers  # (U,)
    offset: Numbers  # (U,)
    rate: Numbers  # (U,)
    f: Squashing
    g: Squashing
    h: Squashing
    f_k: Squashing
    slope_k: Squashing  # whose slope errors of outputs are multiplied by: f_k, or the identity with cross-entropy


class Weights(NamedTuple):
    """Weights, shared by all streams, and the running mean squares of `RmsProp`."""

    hidden: Numbers  # (M, U)
    output: Numbers  # (V, K)
    hidden_square: Numbers  # (M, U)
    output_square: Numbers  # (V, K)


class Streams(NamedTuple):
    """The state of n independent streams through one network, all of it: save these arrays and nothing is lost."""

    z: Numbers  # (n, M) sources of the hidden layer at t
    y: Numbers  # (n, U) activations at t: hidden units, gates, squashed cell inputs
    s_tm1: Numbers  # (n, C) cell states at t-1
    s: Numbers  # (n, C) cell states at t
    h: Numbers  # (n, C) squashed cell states at t
    y_cells: Numbers  # (n, C) cell outputs at t
    u: Numbers  # (n, V) sources of the outputs at t
    outputs: Numbers  # (n, K)
    partials: Numbers  # (n, S, M, U) D
    traces: Numbers  # (n, M, U) eligibility traces of the hidden-layer weights
    output_traces: Numbers  # (n, V, K)


class Step(NamedTuple):
    """One step of one stream, rows of `Streams` or of a batch's record; before it y, s and y_cells are those of t-1."""

    z: Numbers  # (M,)
    y: Numbers  # (U,)
    s_tm1: Numbers  # (C,)
    s: Numbers  # (C,)
    h: Numbers  # (C,)
    y_cells: Numbers  # (C,)
    u: Numbers  # (V,)
    outputs: Numbers  # (K,)


def make_weights(topology: Topology, rng: np.random.Generator) -> Weights:
    """Draw a network's weights; mean squares begin at 1."""
    hidden, output = topology.initial_weights(rng)
    return Weights(hidden, output, np.ones_like(hidden), np.ones_like(output))


def make_net(topology: Topology, dtype: Any = np.float32) -> Net:
    """Lay a topology out for compiled code."""
    t, columns, rows = topology, topology.columns, topology.rows
    slots = [v for cells in t.blocks for v in range(cells)]
    squashing = np.array([SQUASHINGS["logistic"]] * t.units)  # (U, 4)
    squashing[columns["hidden"]] = SQUASHINGS[t.hidden_activation]
    squashing[columns["cells"]] = SQUASHINGS[t.cell_input]
    gain, scale, offset, rate = np.ascontiguousarray(squashing.T)
    names = ("input", "hidden", "gate", "cell", "bias", "state_tm1", "state_t")  # as `Topology.rows` orders them
    starts = {f"row_{name}": row.start for name, row in zip(names, rows.values(), strict=True)}
    many = ("inputs", "hiddens", "gates", "cells", "biases", "states_tm1", "states_t")
    counts = {f"row_{name}": row.stop - row.start for name, row in zip(many, rows.values(), strict=True)}
    out = zip(("inputs", "hiddens", "cells", "biases"), t.output_rows.values(), strict=True)
    return Net(
        has_input_gate=t.input_gate,
        has_forget_gate=t.forget_gate,
        has_output_gate=t.output_gate,
        state_decay=float(t.state_decay),
        **{name: columns[name].start for name in ("input_gate", "forget_gate", "output_gate", "cells")},
        **starts,
        **counts,
        **{f"out_{name}": row.stop - row.start for name, row in out},
        block_of_cell=np.array(t.block_of_cell, np.int64),
        slot_of_cell=np.array(slots, np.int64),
        masked=np.array([not row.all() for row in t.mask]),
        mask=t.mask.astype(dtype),
        output_masked=not t.output_mask.all(),
        output_mask=t.output_mask.astype(dtype),
        gain=gain,
        scale=scale,
        offset=offset,
        rate=rate,
        f=SQUASHINGS[t.hidden_activation],
        g=SQUASHINGS[t.cell_input],
        h=SQUASHINGS[t.cell_output],
        f_k=SQUASHINGS[t.output_activation],
        slope_k=SQUASHINGS[t.output_activation],
    )


def make_streams(topology: Topology, n: int, dtype: Any = np.float32) -> Streams:
    """Make n streams at rest: all states, partials and traces 0."""
    t = topology
    m, u, c, v, k, slots = t.sources, t.units, t.cells, t.output_sources, t.outputs, max((1, *t.blocks))
    shapes = [(m,), (u,), (c,), (c,), (c,), (c,), (v,), (k,), (slots, m, u), (m, u), (v, k)]
    return Streams(*(np.zeros((n, *shape), dtype) for shape in shapes))


@kernel
def step_of(streams: Streams, i: int) -> Step:
    """The present step of stream ``i``, views."""
    return Step(
        streams.z[i],
        streams.y[i],
        streams.s_tm1[i],
        streams.s[i],
        streams.h[i],
        streams.y_cells[i],
        streams.u[i],
        streams.outputs[i],
    )


@kernel
def clear(streams: Streams, i: int) -> None:
    """Put stream ``i`` to rest: states, partials and traces are cleared together, as a sequence begins."""
    for array in (streams.y, streams.s_tm1, streams.s, streams.h, streams.y_cells):
        array[i] = 0.0
    streams.partials[i] = 0.0
    streams.traces[i] = 0.0
    streams.output_traces[i] = 0.0
