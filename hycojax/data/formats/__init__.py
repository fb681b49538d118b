"""Formats that recordings are read from, one a file: each makes xarray Datasets of a file."""
