"""python -m hycojax: which commands there are."""

_COMMANDS = {
    "inspect FILE": "what is in a recording; a first experiment for it",
    "check EXPERIMENT.py": "before a long run: memory, errors of the grid, gradients",
    "train EXPERIMENT.py": "train the players of an experiment, report the result",
    "generate EXPERIMENT.py": "simulate what is to be recorded",
    "evaluate RUN_DIR": "metrics and figures of a run again",
    "predict RUN_DIR": "what follows from initial states",
    "compare EXPERIMENT.py": "hybrid training beside each model alone and one-way schemes",
}


def main() -> None:
    """Print them."""
    print("usage: python -m hycojax.COMMAND ... [--help]\n")
    for words, about in _COMMANDS.items():
        print(f"  hycojax.{words:24} {about}")


if __name__ == "__main__":
    main()
