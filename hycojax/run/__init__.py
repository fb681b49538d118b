"""The loop, and what a run keeps on disk and shows on a terminal."""
