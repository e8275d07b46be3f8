"""The networks of the LSTM literature by name; each is a `Topology`, which Torch and the streaming kernels execute.

    hs1997     Hochreiter & Schmidhuber, Long short-term memory, Neural Computation 9: experiments 1 to 6
    gers2000   Gers, Schmidhuber & Cummins, Learning to forget, Neural Computation 12
    gers2001   Gers & Schmidhuber, LSTM recurrent networks learn simple context-free and context-sensitive languages;
               series: Gers, Eck & Schmidhuber, Applying LSTM to time series predictable through time-window approaches
    gers2002   Gers, Schraudolph & Schmidhuber, Learning precise timing with LSTM recurrent networks, JMLR 3
    blues      Eck & Schmidhuber, Finding temporal structure in music: blues improvisation with LSTM, NNSP 2002
    hochreiter2001 Hochreiter, Younger & Conwell, Learning to learn using gradient descent, ICANN 2001
    bakker2001 Bakker, Reinforcement learning with long short-term memory, NIPS 14

Weight counts are the published ones where a paper gives one; what it does not give is marked (ours). Learning rates and
protocols belong to the tasks. Other sizes and variants follow by `dataclasses.replace`.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from lstm_rl.checks import check_int
from lstm_rl.topology import GATES, Topology

Pairs = tuple[tuple[int, int], ...]


def _within(span: float) -> dict[str, Any]:
    """All initial weights, and biases that are not fixed, uniform in +- ``span``."""
    return dict.fromkeys(("input_range", "recurrent_range", "output_range", "bias_range"), span)


# --- 1997: no forget gates; cell inputs and gates see inputs, cells and gates, outputs see the cells only ------------

_REBER = Topology(  # experiment 1
    inputs=7,
    outputs=7,
    blocks=(1, 1, 1, 1),
    forget_gate=False,
    cells_see=("input", "cells", "gates"),
    gates_see=("input", "cells", "gates"),
    outputs_see=("cells",),
    biased=("input_gate", "output_gate"),
    output_gate_bias=(-1.0, -2.0, -3.0, -4.0),
    output_activation="logistic",
    **_within(0.2),
)
_TWO_SEQUENCE = replace(  # experiment 3
    _REBER,
    inputs=1,
    outputs=1,
    blocks=(1, 1, 1),
    biased=("input_gate", "output_gate", "cells"),
    input_gate_bias=(-1.0, -3.0, -5.0),
    output_gate_bias=(-2.0, -4.0, -6.0),
    **_within(0.1),
)
_MULTIPLICATION = replace(  # experiment 5; 4 and 6 differ in size and input gates
    _TWO_SEQUENCE,
    inputs=2,
    blocks=(2, 2),
    biased=("input_gate", "output_gate", "cells", "output"),
    input_gate_bias=None,
    output_gate_bias=None,
)
_TEMPORAL_ORDER_3 = replace(_MULTIPLICATION, inputs=8, outputs=4, input_gate_bias=(-2.0, -4.0))


def hs1997_lag_a(p: int = 100) -> Topology:
    """Experiments 2a and 2b: one cell with an input gate and nothing else, beside direct links, for p + 1 symbols.

    Training begins without the cell; whoever runs the experiment adds it, the topology is the final one.

    Args:
        p: Lag, >= 1; there are p - 1 distractors and two signals.

    Raises:
        ValueError: ``p`` is no such number.
    """
    symbols = check_int("p", p, 1) + 1
    return Topology(
        inputs=symbols,
        outputs=symbols,
        blocks=(1,),
        forget_gate=False,
        output_gate=False,
        cell_input="logistic",
        cell_output="identity",
        output_activation="logistic",
        cells_see=("input",),
        gates_see=("input",),
        outputs_see=("input", "cells"),
        biased=(),
        **_within(0.2),
    )


def hs1997_lag_a_rtrl(p: int = 100) -> Topology:
    """Experiments 2a and 2b, the competitor for RTRL and BPTT: one hidden unit that sees itself, and direct links.

    Its initial range is (ours), that of the LSTM network.

    Args:
        p: As above.

    Raises:
        ValueError: ``p`` is no such number.
    """
    symbols = check_int("p", p, 1) + 1
    return Topology(
        inputs=symbols,
        outputs=symbols,
        hidden=1,
        output_activation="logistic",
        hidden_sees=("input", "hidden"),
        outputs_see=("input", "hidden"),
        biased=(),
        **_within(0.2),
    )


def hs1997_lag_c(p: int = 100) -> Topology:
    """Experiment 2c: two blocks of one cell for distractors, trigger, start and two signals; outputs tell the signals.

    Args:
        p: Number of distractor symbols, >= 1; the lag is up to the task.

    Raises:
        ValueError: ``p`` is no such number.
    """
    inputs = check_int("p", p, 1) + 4
    return replace(_REBER, inputs=inputs, outputs=2, blocks=(1, 1), biased=(), output_gate_bias=None)


# --- 2000: forget gates; nothing but the cells is fed back, outputs see the inputs, too ------------------------------

_CERG = Topology(
    inputs=7,
    outputs=7,
    blocks=(2, 2, 2, 2),
    cells_see=("input", "cells"),
    gates_see=("input", "cells"),
    outputs_see=("input", "cells"),
    biased=("input_gate", "forget_gate", "output_gate", "output"),
    input_gate_bias=(-0.5, -1.0, -1.5, -2.0),
    forget_gate_bias=(0.5, 1.0, 1.5, 2.0),
    output_gate_bias=(-0.5, -1.0, -1.5, -2.0),
    output_activation="logistic",
    **_within(0.2),
)

# --- 2001 and 2002: peepholes, cells without squashing functions -----------------------------------------------------

_ANBN = Topology(
    inputs=3,
    outputs=3,
    blocks=(1,),
    peepholes=True,
    cell_input="identity",
    cell_output="identity",
    output_activation="symmetric2",
    cells_see=("input", "cells"),
    gates_see=("input", "cells"),
    outputs_see=("input", "cells"),
    input_gate_bias=-1.0,
    forget_gate_bias=2.0,
    output_gate_bias=-2.0,
    **_within(0.1),
)
_TIMING = replace(
    _ANBN,
    inputs=1,
    outputs=1,
    output_activation="logistic",
    outputs_see=("cells",),
    input_gate_bias=0.0,  # the forget and output gates' are as above: of recalled biases, the signs that give the
)  # published numbers of streams (docs/deviations.md)

# --- 2002: blues, 12 units for chords and 13 for a melody; four blocks for each -------------------------------------

_BLUES = replace(  # the recalled biases; no peepholes and the initial range (ours)
    _CERG,
    inputs=12,
    outputs=12,
    input_gate_bias=(-0.5, -1.0, -1.5, -2.0),
    forget_gate_bias=(-0.5, -1.0, -1.5, -2.0),
    output_gate_bias=(-0.5, -1.0, -1.5, -2.0),
    output_bias=0.5,
)


def _blues_melody() -> Topology:
    """Blocks of the melody see the chords' blocks, but not the other way round, and either see their own inputs."""
    biases = (-0.5, -1.0, -1.5, -2.0) * 2
    whole = replace(
        _BLUES,
        inputs=25,
        outputs=25,
        blocks=(2,) * 8,
        input_gate_bias=biases,
        forget_gate_bias=biases,
        output_gate_bias=biases,
    )
    chords = {"input": range(12), "block": range(4), "cell": range(8), "output": range(12)}
    melody = {"input": range(12, 25), "block": range(4, 8), "cell": range(8, 16), "output": range(12, 25)}
    rows, columns, read = whole.rows, whole.columns, whole.output_rows

    def units(of: dict[str, range]) -> list[int]:
        gates = [columns[gate].start + block for gate in GATES for block in of["block"]]
        return gates + [columns["cells"].start + cell for cell in of["cell"]]

    def pairs(rows_of: dict[str, slice], of: dict[str, range], layers: tuple[str, ...], to: Iterable[int]) -> Pairs:
        units = tuple(to)
        return tuple(
            (rows_of[name + "s" * (name == "cell")].start + m, i) for name in layers for m in of[name] for i in units
        )

    both = ("input", "cell")
    hidden = pairs(rows, melody, both, units(chords)) + pairs(rows, chords, ("input",), units(melody))
    output = pairs(read, melody, both, chords["output"]) + pairs(read, chords, both, melody["output"])
    return replace(whole, without=hidden, output_without=output)


# --- Bakker 2001: one cell per block, ordinary hidden units beside them ----------------------------------------------

_TMAZE = Topology(  # biases, and all initial weights, (ours): those of the preset bakker2001
    inputs=3,
    outputs=4,
    hidden=12,
    blocks=(1, 1, 1),
    input_gate_bias=0.0,
    forget_gate_bias=3.0,
    output_gate_bias=0.0,
    **_within(0.1),
)

PUBLISHED: dict[str, Topology] = {
    "hs1997-reber-4x1": _REBER,
    "hs1997-reber-3x2": replace(_REBER, blocks=(2, 2, 2), output_gate_bias=(-1.0, -2.0, -3.0)),
    "hs1997-lag-a": hs1997_lag_a(),  # p = 100; other p by the functions
    "hs1997-lag-a-rtrl": hs1997_lag_a_rtrl(),
    "hs1997-lag-c": hs1997_lag_c(),
    "hs1997-two-sequence": _TWO_SEQUENCE,
    "hs1997-adding": replace(  # a linear output (ours): a logistic one stays off targets near 0 and 1 by .04 and more
        _MULTIPLICATION, input_gate_bias=(-3.0, -6.0), output_activation="identity"
    ),
    "hs1997-multiplication": _MULTIPLICATION,
    "hs1997-temporal-order-3": _TEMPORAL_ORDER_3,  # two symbols to remember, and the trigger: 6a
    "hs1997-temporal-order-4": replace(  # 6b
        _TEMPORAL_ORDER_3, outputs=8, blocks=(2, 2, 2), input_gate_bias=(-2.0, -4.0, -6.0)
    ),
    "gers2000-cerg": _CERG,
    "gers2000-cnto": replace(_CERG, inputs=8, outputs=8),  # count (ours); NTO, its form with resets: forget bias 5 or 1
    "gers2001-series": replace(  # the size is recalled; that its outputs see the input, and their ranges, are (ours)
        _CERG, inputs=1, outputs=1, blocks=(1,) * 4, output_activation="identity"
    ),
    "gers2001-anbn": _ANBN,
    "gers2001-anbmbmam": replace(_ANBN, inputs=5, outputs=5, blocks=(1, 1)),
    "gers2001-anbncn": replace(_ANBN, inputs=4, outputs=4, blocks=(1, 1)),  # count (ours), by the same rule
    "gers2002-timing": _TIMING,  # MSD, NMSD, GTS
    "gers2002-timing-linear": replace(_TIMING, output_activation="identity"),  # PFG, whose only input is always 0
    "blues-chords": _BLUES,
    "blues-melody": _blues_melody(),
    "hochreiter2001-quadratic": Topology(  # count recalled, blocks and connections that come to it (ours)
        inputs=3,
        outputs=1,
        blocks=(13,) * 5,
        forget_gate=False,
        peepholes=True,
        cells_see=("input", "cells"),
        gates_see=("input", "cells"),
        outputs_see=("input", "cells"),
        biased=("input_gate", "output_gate", "cells"),
        input_gate_bias=(-1.0, -1.0, -2.0, -2.0, -3.0),
        output_gate_bias=0.0,
        output_activation="logistic",
        **_within(0.1),
    ),
    "bakker2001-tmaze": _TMAZE,
    "bakker2001-pole": replace(_TMAZE, outputs=2, hidden=14, blocks=(1,) * 6),
    # Two connected blocks of two cells, without forget gates and with: the size of 6a, forget biases (ours).
    "two-blocks": _TEMPORAL_ORDER_3,
    "two-blocks-forget": replace(
        _TEMPORAL_ORDER_3,
        forget_gate=True,
        biased=("input_gate", "forget_gate", "output_gate", "cells", "output"),
        forget_gate_bias=(0.5, 1.0),
    ),
}
