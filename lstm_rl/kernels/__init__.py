"""Compiled execution of networks, for streams and batches.

`forward` is one step; `truncated`, `bptt` and `rtrl` are the gradients; `updates` steps weights along traces;
`approximator` is the interface. Nothing here knows of rewards.
"""
