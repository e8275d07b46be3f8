"""A task as a Torch data set, for `torch.utils.data.DataLoader`."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from lstm_rl.tasks.task import Task


class SequenceDataset(IterableDataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches of a task without end: x (T, B, I), targets (T, B, K) and has_target (T, B), as `Task.batch` pads them.

    They are whole batches, since sequences differ in length: use ``DataLoader(dataset, batch_size=None)``. Each worker
    of a loader draws sequences of its own.

    Args:
        task: What.
        batch: B >= 1.
        seed: >= 0; every iteration begins with the same sequences.
        dtype: Of x and targets.
    """

    def __init__(self, task: Task, batch: int, seed: int, dtype: torch.dtype = torch.float32) -> None:
        super().__init__()
        self.task, self.batch, self.seed, self.dtype = task, batch, seed, dtype

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, 0 if worker is None else worker.id])
        while True:
            x, targets, has_target = self.task.batch(self.batch, rng)
            yield torch.tensor(x, dtype=self.dtype), torch.tensor(targets, dtype=self.dtype), torch.tensor(has_target)
