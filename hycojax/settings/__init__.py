"""Settings are frozen dataclasses: checked when made, written as JSON, split for compilation."""
