"""Physical models, one PDE a file. To add one: a frozen dataclass with `init`, `forward`, `sample`."""
