"""Errors of this subpackage."""


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
        details.append(f"found {found}")
    if expected is not None:
        details.append(f"expected {expected}")
    if details:
        text += "; " + ", ".join(details)
    text = text.rstrip(".") + "."
    if remedy is not None:
        text += " " + str(remedy).rstrip(".") + "."
    return error(text)


def listed(values, limit=6):
    """Some of ``values`` as text: 'a, b, c and 12 more'."""
    values = [str(v) for v in values]
    if not values:
        return "none"
    text = ", ".join(values[:limit])
    if len(values) > limit:
        text += f" and {len(values) - limit} more"
    return text
