"""Benchmarks and traces, each a command."""
