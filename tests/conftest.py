"""For all tests."""

import signal

import torch

torch.set_num_threads(1)  # small networks, and threads that wait for each other on a busy machine
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as a shell starts its background jobs; tests send Ctrl-C
    signal.signal(signal.SIGINT, signal.default_int_handler)
