"""Synthetic models, one architecture a file. The only place that imports flax."""
