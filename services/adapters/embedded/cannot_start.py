"""CannotStart: what the embedded stack says when starting is impossible. One sentence, with the remedy."""

from __future__ import annotations


class CannotStart(RuntimeError):
    """Starting again would not help until somebody does what the text says: exit code 78, no traceback."""
