"""How a command ends when it can't go on: one message, and an exit status that says whose turn it is."""

from __future__ import annotations


class InputError(Exception):
    """The user's input is wrong; the message says which, and what to do (exit status 2)."""

    status = 2


class StoppedError(Exception):
    """The run stopped early, and can be resumed (exit status 3)."""

    status = 3
