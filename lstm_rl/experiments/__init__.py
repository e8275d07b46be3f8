"""Experiments: rows of a published table x how one of them is run x the score of its runs; see `engine`."""
