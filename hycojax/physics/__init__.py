"""Physical models, one PDE a file. To add one: a dataclass with `init`, `forward`, `sample`."""
