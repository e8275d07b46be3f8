"""Running means under addresses: a memory whose state is sums over the past, so that whole sequences need no loop.

A gate g and a value v make two sums, N = 1 + sum of g and S = sum of g v. With a gate that opens at one action and a
value that is the reward, they are all that Bayes' rule needs of an arm of a bandit: S / N is near the mean of its
posterior and 1 / sqrt(N) says how uncertain that is. These two are what the network reads:

    g_t = sigmoid(W_g x_t + b_g)        v_t = W_v x_t + b_v        (M of each)
    N_t = 1 + sum_{s <= t} a_ts g_s     S_t = sum_{s <= t} a_ts g_s v_s
    m_t = S_t / N_t                     c_t = 1 / sqrt(N_t)
    a_ts = p_t . p_{s-1}                p_t = softmax(W_p x_t)     (A addresses)

An address p says where: what happened at step s is written under what was seen at step s - 1, when the action was
chosen, and read under what is seen now. With states as inputs that is a table of what actions brought in each state.
With one address a_ts is 1. Layers follow each other: each one sees the input and what all before it read.

Source: sums of outer products of two codes, read by a third: J. Schmidhuber, "Learning to control fast-weight
memories", Neural Computation 4 (1992); divided by the sums of weights: A. Katharopoulos et al., "Transformers are
RNNs", ICML 2020. Gates, addresses of the step before and 1 / sqrt(N) are ours.

Dimensions: T time, B batch, I inputs, A addresses, M means, H hidden units, K outputs. Time-major throughout.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstm_rl.checks import check_int


class MeansState(NamedTuple):
    """What a layer carries from one step to the next."""

    sums: Tensor  # (B, A, 2 M) of g, then of g v
    address: Tensor  # (B, A) that the next step is written under


class MeansLayer(nn.Module):
    """One layer, see the module.

    Args:
        inputs: I >= 1.
        addresses: A >= 1.
        means: M >= 1.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(self, inputs: int, addresses: int, means: int) -> None:
        super().__init__()
        inputs, self.addresses = check_int("inputs", inputs, 1), check_int("addresses", addresses, 1)
        self.means = check_int("means", means, 1)
        self.write = nn.Linear(inputs, 2 * means)
        nn.init.normal_(self.write.weight[:means], 0.0, 3.0)  # gates that see little would all hold the same
        nn.init.constant_(self.write.bias[:means], -1.0)
        nn.init.uniform_(self.write.weight[means:], -2.0, 2.0)
        nn.init.zeros_(self.write.bias[means:])
        self.place = nn.Linear(inputs, addresses, bias=False) if addresses > 1 else None
        if self.place is not None:
            nn.init.normal_(self.place.weight, 0.0, 2.0)

    def initial_state(self, batch: int) -> MeansState:
        """Empty sums; the first step, which nothing came before, is written nowhere."""
        empty = self.write.weight.new_zeros
        first = self.write.weight.new_full((batch, 1), 1.0) if self.place is None else empty((batch, self.addresses))
        return MeansState(empty((batch, self.addresses, 2 * self.means)), first)

    def step(self, x: Tensor, state: MeansState) -> tuple[Tensor, MeansState]:
        """(B, I) to (B, 2 M): means, then 1 / sqrt(N). The readable reference, and how it acts."""
        where = self._address(x)
        sums = state.sums + state.address[:, :, None] * self._written(x)[:, None, :]
        return self._read((where[:, None, :] @ sums)[:, 0]), MeansState(sums, where)

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, I) to (T, B, 2 M), from an empty state: all steps at once, as products of T x T."""
        written = self._written(x)
        if self.place is None:
            return self._read(written.cumsum(0))
        where = self._address(x).transpose(0, 1)  # (B, T, A)
        before = torch.cat((torch.zeros_like(where[:, :1]), where[:, :-1]), 1)
        shared = (where @ before.transpose(1, 2)).tril()  # (B, T, T) a_ts
        return self._read((shared @ written.transpose(0, 1)).transpose(0, 1))

    def _address(self, x: Tensor) -> Tensor:
        return x.new_ones((*x.shape[:-1], 1)) if self.place is None else torch.softmax(self.place(x), -1)

    def _written(self, x: Tensor) -> Tensor:
        gate, value = self.write(x).split(self.means, -1)
        gate = torch.sigmoid(gate)
        return torch.cat((gate, gate * value), -1)

    def _read(self, sums: Tensor) -> Tensor:
        count, total = sums.split(self.means, -1)
        return torch.cat((total / (1.0 + count), torch.rsqrt(1.0 + count)), -1)


class Means(nn.Module):
    """Layers of running means under a readout of tanh units, with shortcuts from all that these see to the outputs.

    Args:
        inputs: I >= 1.
        outputs: K >= 1.
        layers: Pairs (addresses, means) of `MeansLayer`.
        hidden: H >= 1.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(self, inputs: int, outputs: int, layers: tuple[tuple[int, int], ...], hidden: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList()
        for addresses, means in layers:
            self.layers.append(MeansLayer(inputs, addresses, means))
            inputs += 2 * means
        self.hidden = nn.Linear(inputs, check_int("hidden", hidden, 1))
        self.out = nn.Linear(hidden + inputs, check_int("outputs", outputs, 1))
        nn.init.uniform_(self.out.weight, -0.01, 0.01)
        nn.init.zeros_(self.out.bias)

    def initial_state(self, batch: int) -> list[MeansState]:
        """Of all layers, before the first step of B sequences."""
        return [layer.initial_state(batch) for layer in self.layers]  # type: ignore[operator, misc]

    def step(self, x: Tensor, state: list[MeansState]) -> tuple[Tensor, list[MeansState]]:
        """(B, I) to (B, K), and the state that follows."""
        following = list[MeansState]()
        for layer, own in zip(self.layers, state, strict=True):
            read, after = layer.step(x, own)  # type: ignore[operator]
            following.append(after)
            x = torch.cat((x, read), -1)
        return self._outputs(x), following

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, I) to (T, B, K), from an empty state."""
        for layer in self.layers:
            x = torch.cat((x, layer(x)), -1)
        return self._outputs(x)

    def _outputs(self, x: Tensor) -> Tensor:
        return self.out(torch.cat((torch.tanh(self.hidden(x)), x), -1))  # type: ignore[no-any-return]
