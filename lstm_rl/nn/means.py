"""Linear attention, or a fast-weight memory, with a normaliser: running means that are kept under addresses.

Its state is sums over the past, so that whole sequences need no loop.

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

Where actions are interchangeable, as the arms of a bandit are, each can have a copy of one network (``last_action``):
all copies have the same weights and see the same, but for whether the last action was this copy's, which stands in the
place of the last action. Each hears the mean of what all read, and answers with its own logit; the value is the mean of
what they say. So weights do not grow with the number of actions, and what is learned of one is learned of all. After L.
Kirsch et al., "Introducing Symmetries to Black Box Meta Reinforcement Learning", AAAI 2022.

Dimensions: T time, B batch, G copies (1, or one per action), I inputs, J inputs of a copy, A addresses, M means,
H hidden units, K actions. Time-major throughout.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstm_rl.checks import check_int

CHUNK = 50  # steps; any number gives the same


class MeansState(NamedTuple):
    """What a layer carries from one step to the next."""

    sums: Tensor  # (B, A, G, 2 M) of g, then of g v
    address: Tensor  # (B, A) that the next step is written under


class MeansLayer(nn.Module):
    """One layer, see the module.

    Args:
        inputs: I >= 1, what addresses are made of.
        copy_inputs: J >= 1, what gates and values of a copy are made of.
        addresses: A >= 1.
        means: M >= 1.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(self, inputs: int, copy_inputs: int, addresses: int, means: int) -> None:
        super().__init__()
        self.addresses, self.means = check_int("addresses", addresses, 1), check_int("means", means, 1)
        self.gate_and_value = nn.Linear(copy_inputs, 2 * means)
        nn.init.normal_(self.gate_and_value.weight[:means], 0.0, 3.0)  # gates that see little would all hold the same
        nn.init.constant_(self.gate_and_value.bias[:means], -1.0)
        nn.init.uniform_(self.gate_and_value.weight[means:], -2.0, 2.0)
        nn.init.zeros_(self.gate_and_value.bias[means:])
        self.address = nn.Linear(inputs, addresses, bias=False) if addresses > 1 else None
        if self.address is not None:
            nn.init.normal_(self.address.weight, 0.0, 2.0)

    def initial_state(self, batch: int, copies: int) -> MeansState:
        """Empty sums. The first step has none before it, so that of several addresses it is written under none."""
        like = self.gate_and_value.weight
        first = like.new_ones((batch, 1)) if self.address is None else like.new_zeros((batch, self.addresses))
        return MeansState(like.new_zeros((batch, self.addresses, copies, 2 * self.means)), first)

    def step(self, x: Tensor, copy_inputs: Tensor, state: MeansState) -> tuple[Tensor, MeansState]:
        """(B, I) and (B, G, J) to (B, G, 2 M): means, then 1 / sqrt(N). The readable reference, and how it acts."""
        where = self._address(x)
        sums = state.sums + state.address[:, :, None, None] * self._written(copy_inputs)[:, None]
        return self._read((where[:, :, None, None] * sums).sum(1)), MeansState(sums, where)

    def forward(self, x: Tensor, copy_inputs: Tensor) -> Tensor:
        """(T, B, I) and (T, B, G, J) to (T, B, G, 2 M), from an empty state, with no loop over steps.

        Steps come in chunks: what a step reads of its own chunk are products of steps with steps, and of all chunks
        before the sums at their ends.
        """
        written = self._written(copy_inputs)
        if self.address is None:
            return self._read(written.cumsum(0))
        where = self._address(x)
        before = torch.cat((torch.zeros_like(where[:1]), where[:-1]))
        read, write, what = map(_in_chunks, (where, before, written.flatten(2)))  # (B, N, CHUNK, .)
        recent = (read @ write.transpose(-1, -2)).tril() @ what
        ends = (write.transpose(-1, -2) @ what).cumsum(1)  # (B, N, A, 2 G M)
        sums = recent + torch.cat((torch.zeros_like(recent[:, :1]), read[:, 1:] @ ends[:, :-1]), 1)
        return self._read(sums.flatten(1, 2)[:, : len(x)].transpose(0, 1).reshape(written.shape))

    def _address(self, x: Tensor) -> Tensor:
        return x.new_ones((*x.shape[:-1], 1)) if self.address is None else torch.softmax(self.address(x), -1)

    def _written(self, copy_inputs: Tensor) -> Tensor:
        gate, value = torch.split(self.gate_and_value(copy_inputs), self.means, -1)
        gate = torch.sigmoid(gate)
        return torch.cat((gate, gate * value), -1)

    def _read(self, sums: Tensor) -> Tensor:
        count, total = torch.split(sums, self.means, -1)
        return torch.cat((total / (1.0 + count), torch.rsqrt(1.0 + count)), -1)


def _in_chunks(x: Tensor) -> Tensor:
    """(T, B, D) to (B, N, CHUNK, D), zeros at the end."""
    steps, batch, size = x.shape
    missing = -steps % CHUNK
    return nn.functional.pad(x.transpose(0, 1), (0, 0, 0, missing)).reshape(batch, -1, CHUNK, size)


class RunningMeansPolicy(nn.Module):
    """A policy and the value of states: layers of running means under a readout of tanh units.

    Args:
        inputs: I >= 1.
        actions: K >= 2.
        layers: Pairs (addresses, means) of `MeansLayer`.
        hidden: H >= 1, which see the input and what all layers read; so do the outputs.
        last_action: Where in the input the last action begins, one-hot; given, each action has a copy of its own.

    Raises:
        ValueError: A number is out of its range.
    """

    def __init__(
        self,
        inputs: int,
        actions: int,
        layers: tuple[tuple[int, int], ...],
        hidden: int,
        last_action: int | None = None,
    ) -> None:
        super().__init__()
        self.actions, self.last_action = check_int("actions", actions, 2), last_action
        if last_action is not None:
            check_int("last_action", last_action, 0, inputs - actions)
        self.copies = 1 if last_action is None else actions
        common = inputs if last_action is None else inputs - actions
        copy_inputs = inputs if last_action is None else common + 1
        self.layers = nn.ModuleList()
        for addresses, means in layers:
            self.layers.append(MeansLayer(common, copy_inputs, addresses, means))
            copy_inputs += 2 * means * (1 if last_action is None else 2)
        outputs = actions + 1 if last_action is None else 2
        self.hidden = nn.Linear(copy_inputs, check_int("hidden", hidden, 1))
        self.out = nn.Linear(hidden + copy_inputs, outputs)
        nn.init.uniform_(self.out.weight, -0.01, 0.01)
        nn.init.zeros_(self.out.bias)

    def initial_state(self, batch: int) -> list[MeansState]:
        """Of all layers, before the first step of B sequences."""
        return [layer.initial_state(batch, self.copies) for layer in self.layers]  # type: ignore[operator]

    def step(self, x: Tensor, state: list[MeansState]) -> tuple[Tensor, list[MeansState]]:
        """(B, I) to K logits and a value (B, K + 1), and the state that follows."""
        following = list[MeansState]()
        x, copy_inputs = self._inputs(x)
        for layer, before in zip(self.layers, state, strict=True):
            read, after = layer.step(x, copy_inputs, before)  # type: ignore[operator]
            following.append(after)
            copy_inputs = self._joined(copy_inputs, read)
        return self._outputs(copy_inputs), following

    def forward(self, x: Tensor) -> Tensor:
        """(T, B, I) to (T, B, K + 1), from an empty state."""
        x, copy_inputs = self._inputs(x)
        for layer in self.layers:
            copy_inputs = self._joined(copy_inputs, layer(x, copy_inputs))
        return self._outputs(copy_inputs)

    def _inputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What all copies see, (..., I) or without the last action (..., I - K), and what each does, (..., G, J)."""
        if self.last_action is None:
            return x, x[..., None, :]
        end = self.last_action + self.actions
        common = torch.cat((x[..., : self.last_action], x[..., end:]), -1)
        mine = x[..., self.last_action : end, None]
        return common, torch.cat((common[..., None, :].expand(*mine.shape[:-1], -1), mine), -1)

    def _joined(self, copy_inputs: Tensor, read: Tensor) -> Tensor:
        if self.last_action is None:
            return torch.cat((copy_inputs, read), -1)
        return torch.cat((copy_inputs, read, read.mean(-2, keepdim=True).expand_as(read)), -1)

    def _outputs(self, copy_inputs: Tensor) -> Tensor:
        y = self.out(torch.cat((torch.tanh(self.hidden(copy_inputs)), copy_inputs), -1))  # (..., G, .)
        if self.last_action is None:
            return y[..., 0, :]  # type: ignore[no-any-return]
        return torch.cat((y[..., 0], y[..., 1].mean(-1, keepdim=True)), -1)
