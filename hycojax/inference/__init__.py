"""What the recordings say about parameters: losses and priors."""
