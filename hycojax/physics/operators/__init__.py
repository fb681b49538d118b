"""Operators on PhiFlow fields, by its names and signatures, where its own are slow or inexact.

Field in, field out, one simulation at a time: `jax.vmap` makes the batches. `advect`, `diffuse` and
`fluid` stand for PhiFlow's modules of these names.
"""
