"""For all tests."""

import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch

torch.set_num_threads(1)  # small networks, and threads that wait for each other on a busy machine
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts its background jobs; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def check_single_steps() -> Callable[[Any, torch.Tensor], None]:
    """That a network of whole trials gives for x (T, B, I) what its single steps give, with the same gradient."""

    def check(network: Any, x: torch.Tensor) -> None:
        whole, state, single = network(x), network.initial_state(x.shape[1]), list[torch.Tensor]()
        for x_t in x:
            y_t, state = network.step(x_t, state)
            single.append(y_t)
        torch.testing.assert_close(torch.stack(single), whole, rtol=1e-12, atol=1e-12)
        weights = list(network.parameters())
        ours = torch.autograd.grad((whole**2).sum(), weights)
        reference = torch.autograd.grad((torch.stack(single) ** 2).sum(), weights)
        for a, b in zip(ours, reference, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)

    return check
