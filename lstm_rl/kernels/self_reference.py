"""Heads that change their own weights, over whole sequences, and their gradient by hand.

`lstm_rl.nn.self_referential` has the equations, and the readable reference. Here a head's matrix stands with a row per
source: W (d, R), its products are sums of rows.

Dimensions: T time, B batch, N heads, d inputs of a head, R = 3 d + 1 outputs: y, k, q, b.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from lstm_rl.compiled import compiled, kernel


class Record(NamedTuple):
    """What the backward pass needs of each step."""

    w: Any  # (T + 1, B, N, d, R) matrices before each step, and after the last; resets have been applied
    made: Any  # (T, B, N, R) [y, k, q, b]
    key: Any  # (T, B, N, d) softmax(k)
    query: Any  # (T, B, N, d) softmax(q)
    rate: Any  # (T, B, N) logistic(b)
    read: Any  # (T, B, N, R) what the query reads minus what the key reads


def make_record(steps: int, batch: int, heads: int, d: int, dtype: Any) -> Record:
    """A record to be filled by `run`, in a dtype of NumPy."""
    shape, r = (steps, batch, heads), 3 * d + 1
    w = np.empty((steps + 1, batch, heads, d, r), dtype)
    made, read = (np.empty((*shape, r), dtype) for _ in range(2))
    key, query = (np.empty((*shape, d), dtype) for _ in range(2))
    return Record(w, made, key, query, np.empty(shape, dtype), read)


@kernel
def _softmax(v: Any, out: Any) -> None:
    most, total = v[0], 0.0
    for c in range(v.shape[0]):
        most = max(most, v[c])
    for c in range(v.shape[0]):
        out[c] = math.exp(v[c] - most)
        total += out[c]
    for c in range(v.shape[0]):
        out[c] /= total


@kernel
def _softmax_back(p: Any, d_p: Any, out: Any) -> None:
    """The derivative by what softmax ``p`` was made of."""
    mean = 0.0
    for c in range(p.shape[0]):
        mean += p[c] * d_p[c]
    for c in range(p.shape[0]):
        out[c] = p[c] * (d_p[c] - mean)


@compiled
def run(slow: Any, phi: Any, resets: Any, record: Record) -> None:
    """Fill a record whose ``w[0]`` holds the matrices at first: slow (N, d, R), phi (T, B, N, d), resets (T, B)."""
    steps, batch, heads, d = phi.shape
    for t in range(steps):
        for i in range(batch):
            for n in range(heads):
                w, after = record.w[t, i, n], record.w[t + 1, i, n]
                made, read = record.made[t, i, n], record.read[t, i, n]
                key, query = record.key[t, i, n], record.query[t, i, n]
                if resets[t, i]:
                    for c in range(d):
                        for r in range(made.shape[0]):
                            w[c, r] = slow[n, c, r]
                made[:] = 0.0
                for c in range(d):
                    by = phi[t, i, n, c]
                    for r in range(made.shape[0]):
                        made[r] += by * w[c, r]
                _softmax(made[d : 2 * d], key)
                _softmax(made[2 * d : 3 * d], query)
                rate = 1.0 / (1.0 + math.exp(-made[3 * d]))
                record.rate[t, i, n] = rate
                read[:] = 0.0
                for c in range(d):
                    by = query[c] - key[c]
                    for r in range(read.shape[0]):
                        read[r] += by * w[c, r]
                for c in range(d):
                    by = record.rate[t, i, n] * key[c]
                    for r in range(read.shape[0]):
                        after[c, r] = w[c, r] + by * read[r]


@compiled
def run_back(
    phi: Any, resets: Any, record: Record, d_y: Any, d_w: Any, d_slow: Any, d_phi: Any, d_made: Any, d_keys: Any
) -> None:
    """Carry errors back through all steps of `run`.

    Args:
        phi: As in `run`, as ``resets`` and ``record`` are.
        resets: (T, B).
        record: Of `run`.
        d_y: (T, B, N, d) errors of outputs.
        d_w: (B, N, d, R) errors of the matrices after the last step; becomes those of the matrices at first.
        d_slow: (N, d, R) 0; becomes the errors that come by way of resets.
        d_phi: (T, B, N, d) becomes the errors of phi.
        d_made: (R,) scratch.
        d_keys: (2, d) scratch.
    """
    steps, batch, heads, d = phi.shape
    rows = record.made.shape[3]
    d_key, d_query = d_keys[0], d_keys[1]
    for t in range(steps - 1, -1, -1):
        for i in range(batch):
            for n in range(heads):
                w, e, read = record.w[t, i, n], d_w[i, n], record.read[t, i, n]
                key, query, rate = record.key[t, i, n], record.query[t, i, n], record.rate[t, i, n]
                d_made[:] = 0.0  # at first: errors of what was read
                for c in range(d):
                    for r in range(rows):
                        d_made[r] += key[c] * e[c, r]
                d_rate = 0.0
                for r in range(rows):
                    d_rate += d_made[r] * read[r]
                    d_made[r] *= rate
                for c in range(d):
                    written, moved = 0.0, 0.0
                    for r in range(rows):
                        written += e[c, r] * read[r]
                        moved += w[c, r] * d_made[r]
                    d_key[c] = rate * written - moved
                    d_query[c] = moved
                for c in range(d):
                    by = query[c] - key[c]
                    for r in range(rows):
                        e[c, r] += by * d_made[r]
                for c in range(d):  # from here on: errors of y, k, q, b
                    d_made[c] = d_y[t, i, n, c]
                _softmax_back(key, d_key, d_made[d : 2 * d])
                _softmax_back(query, d_query, d_made[2 * d : 3 * d])
                d_made[3 * d] = d_rate * rate * (1.0 - rate)
                for c in range(d):
                    total, by = 0.0, phi[t, i, n, c]
                    for r in range(rows):
                        total += w[c, r] * d_made[r]
                        e[c, r] += by * d_made[r]
                    d_phi[t, i, n, c] = total
                if resets[t, i]:
                    for c in range(d):
                        for r in range(rows):
                            d_slow[n, c, r] += e[c, r]
                            e[c, r] = 0.0
