"""JAX primitives in a fast form for each platform, and how they are compiled."""
