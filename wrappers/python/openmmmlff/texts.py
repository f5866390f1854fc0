"""Numbers in texts, read strictly (ASCII digits, no "_", no "nan"), and texts for messages."""
import math
import re

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eEdD][+-]?[0-9]+)?")
LONGEST = 400   # characters; a double has at most 17 digits that count


def number(text):
    """The finite float that a text is, None where it is none. Exponents may have a Fortran D."""
    if len(text) > LONGEST or _NUMBER.fullmatch(text) is None:
        return None
    value = float(text.replace("d", "e").replace("D", "e"))
    return value if math.isfinite(value) else None


def isNotFinite(text):
    """Whether a text is infinite, no number ("nan"), or too large for a double."""
    if text.lower().lstrip("+-") in ("inf", "infinity", "nan"):
        return True
    return len(text) <= LONGEST and _NUMBER.fullmatch(text) is not None and number(text) is None


def shorten(text, length=40):
    """A text for a message: bounded, without control characters."""
    text = text[:length + 1].strip() if len(text) > 10*length else text.strip()
    text = text if len(text) <= length else text[:length] + "..."
    return "".join(c if c.isprintable() else "?" for c in text)
