"""For all tests."""

import torch

torch.set_num_threads(1)  # small networks, and threads that wait for each other on a busy machine
