"""The contract of a model, rollouts, coefficients and their bounds, smoothness."""
