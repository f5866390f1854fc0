"""Errors of this subpackage."""
import reprlib

_LONGEST = 400      # characters of a value in a message


class _Brief(reprlib.Repr):
    """repr() of bounded length, depth and time."""

    def __init__(self):
        super().__init__()
        self.maxlevel, self.maxstring, self.maxother, self.maxlong = 4, _LONGEST, _LONGEST, 60
        self.maxlist = self.maxtuple = self.maxdict = 8

    def repr_int(self, x, level):
        return repr(x) if x.bit_length() <= 200 else f"an integer of {x.bit_length()} bits"


_BRIEF = _Brief()


def brief(value):
    """A value as text for a message: bounded, on one line."""
    text = value if isinstance(value, str) else _BRIEF.repr(value)
    text = text[:_LONGEST] + "..." if len(text) > _LONGEST else text
    return "".join(c if c.isprintable() else "?" for c in text)


def printable(value):
    """A text that can be written as UTF-8: names of files may hold other bytes."""
    return str(value).encode("utf-8", "replace").decode("utf-8")


class ConversionError(Exception):
    """A file cannot be converted, downloaded or found.

    The message says what, where, found, expected and the remedy; see ``fail``.
    """


class DownloadError(ConversionError):
    """A published file could not be brought here whole."""


def fail(what, where=None, found=None, expected=None, remedy=None, error=ConversionError):
    """Return ``error`` with one message made of the parts that are known."""
    text = f"{where}: {what}" if where is not None else str(what)
    details = []
    if found is not None:
        details.append(f"found {brief(found)}")
    if expected is not None:
        details.append(f"expected {expected if isinstance(expected, str) else brief(expected)}")
    if details:
        text += "; " + ", ".join(details)
    text = text.rstrip(".") + "."
    if remedy is not None:
        text += " " + str(remedy).rstrip(".") + "."
    return error(text)


def listed(values, limit=6):
    """Some of ``values`` as text: 'a, b, c and 12 more'."""
    values = list(values)
    if not values:
        return "none"
    text = ", ".join(brief(v)[:60] for v in values[:limit])
    if len(values) > limit:
        text += f" and {len(values) - limit} more"
    return text
