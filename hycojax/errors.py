"""What ends a command: one message, and a telling exit status."""

from __future__ import annotations


class InputError(ValueError):
    """The user's input is wrong; the message says which, and what to do (exit status 2)."""

    status = 2
    resumable = False


class StoppedError(Exception):
    """The run stopped early, and can be resumed (exit status 3)."""

    status = 3
    resumable = True


class DivergedError(StoppedError):
    """Training diverged: to resume the run would end the same way (exit status 3)."""

    resumable = False
