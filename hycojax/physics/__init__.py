"""Physical models, one PDE a file. To add one: a dataclass with `init`, `forward`, `sample`.

`operators` holds what their steps are made of; `checks` what all of them ask of their fields.
"""
