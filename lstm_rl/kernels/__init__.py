"""The streaming execution of a `Topology`: compiled, one time step at a time, gradients carried forward in time.

`network` runs one step and yields the coefficients of the truncated gradient; `traces` moves partial derivatives,
weights and eligibility traces in one pass over the weights. Nothing here knows of rewards or targets.
"""
