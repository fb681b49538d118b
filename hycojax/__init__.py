"""Hybrid-cooperative learning of PDE parameters and neural surrogates, on JAX."""

__version__ = "0.1.0"
