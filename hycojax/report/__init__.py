"""What a run has come to: errors, figures, comparison, summary."""
