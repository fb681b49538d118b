"""The box, its cells, and random fields in it."""
