"""Commands of `lstm-rl`, a file each: a dataclass that is its command line, and the function that does it."""
