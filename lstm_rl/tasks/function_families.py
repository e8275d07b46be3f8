"""Functions to be learned within one sequence (Hochreiter, Younger & Conwell 2001), from examples.

At step j the inputs are x1(j), x2(j) and the target of step j - 1, the target is f(x(j)): a network with frozen weights
can only be right if it learns f while it runs. Each sequence draws a function of a family:

    boolean-16     all functions of two bits; bits are -1 and 1, targets 0 and 1
    boolean-14     the same without XOR and its complement: the linearly separable ones
    boolean-4      AND, OR, XOR and NAND (ours)
    semi-linear    (1 + tanh(w1 x1 + w2 x2 + w3)) / 2
    quadratic      a x1^2 + b x2^2 + c x1 x2 + d x1 + e x2 + f, scaled from [-6, 6] to [.2, .8]

with x and all coefficients uniform in [-1, 1]. At the first step, where there is no last target, it is the middle of
all targets, .5 (ours). The scale of quadratic functions is one for all of them (ours): the paper gives its limits.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lstm_rl.checks import check_choice, check_float, check_int
from lstm_rl.compiled import kernel
from lstm_rl.published import PUBLISHED
from lstm_rl.rng import integer, normal, uniform
from lstm_rl.tasks.protocol import Criterion, Protocol
from lstm_rl.tasks.task import Task, sequence_rule
from lstm_rl.topology import Topology

TABLES = {
    "boolean-16": tuple(range(16)),
    "boolean-14": tuple(n for n in range(16) if n not in (6, 9)),
    "boolean-4": (8, 14, 6, 7),
}
"""Numbers of Boolean functions; bit k of a number is the value for the bits x1 + 2 x2 = k."""
FAMILIES = (*TABLES, "semi-linear", "quadratic")
COEFFICIENTS = {"semi-linear": 3, "quadratic": 6}
SCALE = dict.fromkeys(TABLES, 0.5) | {"semi-linear": 0.276, "quadratic": 0.0426}
"""Standard deviation of a family's targets, rounded."""


@kernel
def _number(generator: Any) -> float:
    """Uniform in [-1, 1)."""
    return 2.0 * uniform(generator, 0) - 1.0


@sequence_rule
def _examples(params: Any, generator: Any, x: Any, targets: Any, has_target: Any) -> int:
    coefficients, noise, functions, last = int(params[0]), params[1], params.shape[0] - 2, 0.5
    function = int(params[2 + integer(generator, 0, functions)]) if functions else 0
    c = np.zeros(6)
    for k in range(coefficients):
        c[k] = _number(generator)
    for t in range(x.shape[0]):
        if functions:
            one, two = integer(generator, 0, 2), integer(generator, 0, 2)
            a, b = 2.0 * one - 1.0, 2.0 * two - 1.0
            y = float((function >> (one + 2 * two)) & 1)
        else:
            a, b = _number(generator), _number(generator)
            if coefficients == 3:
                y = 0.5 + 0.5 * math.tanh(c[0] * a + c[1] * b + c[2])
            else:
                y = 0.5 + 0.05 * (c[0] * a * a + c[1] * b * b + c[2] * a * b + c[3] * a + c[4] * b + c[5])
        x[t, 0], x[t, 1], x[t, 2], targets[t, 0], has_target[t] = a, b, last, y, True
        last = y + noise * normal(generator, 0) if noise > 0.0 else y
    return len(x)


@dataclass(frozen=True)
class FunctionFamily(Task):
    """Examples of one random function per sequence.

    Raises:
        ValueError: A setting is out of its range.
    """

    family: str = "quadratic"
    """boolean-16, boolean-14, boolean-4, semi-linear or quadratic."""
    examples: int = 64
    """Steps of a sequence, >= 1."""
    noise: float = 0.0
    """Standard deviation >= 0 of Gaussian noise on the last target, in units of targets; targets have none (ours)."""
    inputs = 3
    outputs = 1
    rule = _examples

    def __post_init__(self) -> None:
        check_choice("family", self.family, FAMILIES)
        check_int("examples", self.examples, 1)
        check_float("noise", self.noise, 0.0)

    @property
    def name(self) -> str:  # type: ignore[override]
        """Name in the tables."""
        return f"hochreiter2001-{self.family}"

    @property
    def max_length(self) -> int:
        """Steps of every sequence."""
        return self.examples

    @property
    def params(self) -> NDArray[np.float64]:
        """Number of coefficients, noise, and the numbers of Boolean functions."""
        return np.array([COEFFICIENTS.get(self.family, 0), self.noise, *TABLES.get(self.family, ())], np.float64)

    @property
    def boolean(self) -> bool:
        """Whether targets are 0 and 1."""
        return self.family in TABLES

    @property
    def scale(self) -> float:
        """Standard deviation of targets, by which networks see and say them: (target - .5) / scale."""
        return SCALE[self.family]

    @property
    def topology(self) -> Topology:
        """The published network, 5,373 weights."""
        return PUBLISHED["hochreiter2001-quadratic"]

    @property
    def protocol(self) -> Protocol:
        """All (ours): an error is one of more than a twentieth of the targets' range; weights change each step."""
        return Protocol(0.001, (Criterion(2000),), 0.5 if self.boolean else 0.03)
