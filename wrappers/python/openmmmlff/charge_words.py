"""Total charge and spin multiplicity as people and programs write them into XYZ files.

Names are compared as comment_line.plain() makes them: "Total-Charge" is "totalcharge". docs/xyz-files.md has the rules for users.
"""
import re

from openmmmlff.comment_line import plain
from openmmmlff.errors import FrameError
from openmmmlff.texts import number, shorten

# Certain names.
CHARGE = ("charge", "totalcharge", "totcharge", "netcharge", "molecularcharge", "moleculecharge",
          "molcharge", "systemcharge", "chargetotal")
MULTIPLICITY = ("multiplicity", "mult", "spinmultiplicity", "2s1")

# Names that look like one of the two: these, and whatever has one of the parts.
_CHARGE_LIKE = ("q", "qtot", "qtotal", "totalq", "netq", "qnet", "chg", "totchg", "netchg", "chrg",
                "ichrg", "ichg", "molchg")
_CHARGE_PARTS = ("charge",)
_SPIN_LIKE = ("uhf", "nuhf", "2s", "s2")
_SPIN_PARTS = ("spin", "multiplicity", "unpaired", "magmom", "magnetization")
# ... unless it is how they were computed.
_METHOD_PARTS = ("method", "model", "scheme", "type", "kind", "source", "unit", "polari", "program")

# Values that mean no charge and no unpaired electron.
_NEUTRAL = ("neutral", "singlet", "closedshell", "none", "null", "f", "false", "")

LARGEST_CHARGE = 1e5
LARGEST_MULTIPLICITY = 1000


# The functions take names as comment_line.plain() makes them.

def isCharge(name):
    return name in CHARGE


def isMultiplicity(name):
    return name in MULTIPLICITY


def looksLikeCharge(name):
    return name in _CHARGE_LIKE or any(part in name for part in _CHARGE_PARTS)


def looksLikeSpin(name):
    return (name in MULTIPLICITY or name in _SPIN_LIKE
            or any(part in name for part in _SPIN_PARTS))


def _single(text):
    """The number that a value is, or None."""
    words = text.replace(",", " ").split()
    return number(words[0]) if len(words) == 1 else None


def totalCharge(items, columns):
    """The total charge (e) of a frame, None where it says nothing.

    items are those of the comment line, columns the columns of charges: {name: values}.
    """
    return _decide(items, isCharge, looksLikeCharge, _chargeValue, "charge",
                   lambda given: _chargeOfColumns(columns, given))


def multiplicity(items, columns):
    """2S+1 of a frame, None where it says nothing; columns: those of magnetic moments."""
    def check(given):
        for name, values in columns.items():
            if given is None and abs(sum(values)) >= 0.5:
                raise FrameError(f"the column {name} has magnetic moments whose sum is "
                            f"{sum(values):.6g}, but the comment line has no multiplicity=...")
    return _decide(items, isMultiplicity, looksLikeSpin, _multiplicityValue, "multiplicity", check)


def _decide(items, isCertain, looksLike, read, what, columns):
    """The value of the keys that are certain; the others must agree with it."""
    found = [(item.key, read(item)) for item in items
             if item.value is not None and isCertain(item.name)]
    for key, value in found[1:]:
        if value != found[0][1]:
            raise FrameError(f"the comment line has {found[0][0]}={found[0][1]:g} and {key}={value:g}, "
                        "which disagree" if key != found[0][0] else
                        f"{key}= is in the comment line twice, with different values")
    given = found[0][1] if found else None
    for i, item in enumerate(items):
        if item.value is None:
            if given is None and item.name.startswith(_WORDS[what]):
                _checkWord(item.key, items[i + 1:i + 2], what)
        elif looksLike(item.name) and not isCertain(item.name):
            _checkAlike(item, given, what)
    fromColumns = columns(given)
    return fromColumns if given is None else given


def _chargeValue(item):
    value = _single(item.value)
    if value is None:
        raise FrameError(f"{item.key}={shorten(item.value)} is not a number")
    if abs(value) > LARGEST_CHARGE:
        raise FrameError(f"{item.key}={shorten(item.value)} is not a total charge in e: it is beyond "
                    f"{LARGEST_CHARGE:g}")
    return value


def _multiplicityValue(item):
    value = _single(item.value)
    if value is None or value != int(value) or not 1 <= value <= LARGEST_MULTIPLICITY:
        raise FrameError(f"{item.key}={shorten(item.value)} is not a multiplicity: expected 2S+1, a "
                    f"whole number from 1 to {LARGEST_MULTIPLICITY}")
    return int(value)


def _checkAlike(item, given, what):
    """A name that looks like a charge or spin: fine where it changes nothing."""
    if any(part in item.name for part in _METHOD_PARTS):
        return
    if item.value == "0":
        return
    values = _values(item.value)
    if values is None and plain(item.value) in _NEUTRAL:
        return
    if values is not None and (given is not None or abs(sum(values)) < 0.5*(len(values) > 1) or
                               not any(values)):
        return
    raise FrameError(f"{shorten(item.key)}={shorten(item.value)} looks like a {what}, but its meaning "
                f"is not certain: write {what}=..."
                + (" (2S+1)" if what == "multiplicity" else "") + " into the comment line")


def _values(text):
    """The numbers of a list, or None."""
    words = re.sub(r"[\[\],]", " ", text.removeprefix("_JSON ")).split()
    values = [number(word) for word in words]
    return values if values and None not in values else None


# What text may have before a number.
_WORDS = {"charge": CHARGE + ("q",), "multiplicity": MULTIPLICITY + ("spin",)}


def _checkWord(word, following, what):
    """Text such as "charge -1" or "charge: -1", without "="."""
    name, _, value = word.partition(":")
    if plain(name) not in _WORDS[what]:
        return
    if not value and following and following[0].value is None:
        value = following[0].key
    value = _single(value.lstrip(":"))
    if value is not None and value != (0 if what == "charge" else 1):
        raise FrameError(f"'{shorten(word)}' and a number in the comment line look like a {what}: "
                         f"write {what}={value:g}")


def checkTwoIntegers(items):
    """A comment line of nothing but "-1 2": charge and multiplicity of other programs."""
    if len(items) != 2 or any(item.value is not None for item in items):
        return
    if all(re.fullmatch(r"[+-]?[0-9]{1,2}", item.key) for item in items):
        charge, mult = (int(item.key) for item in items)
        if abs(charge) <= 9 and 1 <= mult <= 9 and (charge, mult) != (0, 1):
            raise FrameError(f"the comment line '{items[0].key} {items[1].key}' looks like a charge and "
                        f"a multiplicity: write charge={charge} multiplicity={mult}, or add a word "
                        "that says what it is")


def _chargeOfColumns(columns, given):
    """The sum of a column of initial or formal charges; None where no column says something."""
    result = given
    for column, values in columns.items():
        name, total = plain(column), sum(values)
        whole = round(total)
        isWhole = abs(total - whole) <= 0.01
        if name in ("initialcharges", "initialcharge", "formalcharges", "formalcharge"):
            if result is None and isWhole:
                result = float(whole)
            elif result is None:
                raise FrameError(f"the column {column} sums to {total:.6g}, which is no whole number: "
                            "write charge=... into the comment line")
            elif isWhole and abs(result - whole) > 0.01:
                raise FrameError(f"the column {column} sums to {total:.6g}, but the total charge is "
                            f"{result:g}")
        elif given is None and whole != 0:
            raise FrameError(f"the column {column} sums to {total:.6g}, but the comment line has no "
                        "charge=...")
    return result

