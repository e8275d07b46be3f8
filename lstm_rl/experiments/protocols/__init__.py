"""How one run is done: a frozen dataclass of settings and a function from it to results, a file per kind of run."""
