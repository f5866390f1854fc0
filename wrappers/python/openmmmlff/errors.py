"""Errors that several modules raise."""


class FrameError(ValueError):
    """What is wrong with a frame of a file; the message says what, not where."""
