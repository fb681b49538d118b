"""What the models learn from: stored simulations, their statistics, and windows of them."""
