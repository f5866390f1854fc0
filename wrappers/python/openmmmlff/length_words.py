"""Units of length as comment lines of XYZ files name them.

Positions are read in angstrom: a frame that says another unit is refused. docs/xyz-files.md has
the rules for users.
"""
import re
import unicodedata

from openmmmlff.charge_words import freeText
from openmmmlff.comment_line import plain
from openmmmlff.errors import FrameError
from openmmmlff.texts import shorten

# Units as plain() makes them.
_ANGSTROM_WORDS = ("angstrom", "angstroms", "angstroem", "angstroems")
_ANGSTROM = (*_ANGSTROM_WORDS, "ang", "angs", "a")
_BOHR = ("bohr", "bohrs", "bohrradius", "bohrradii")
_OTHER = (*_BOHR, "au", "a0", "atomic", "atomicunit", "atomicunits", "nm", "nanometer", "nanometers",
          "nanometre", "nanometres", "pm", "picometer", "picometers", "picometre", "picometres",
          "um", "mm", "cm", "m", "meter", "meters", "metre", "metres")
# Systems of units: LAMMPS's, of which two have angstrom, and others.
_ANGSTROM_SYSTEMS = ("metal", "real", "ase")
_OTHER_SYSTEMS = ("lj", "si", "cgs", "electron", "micro", "nano", "hartreeatomic", "gromacs")

# Names of keys: the unit of lengths, and units without saying of what.
_PLACES = "(length|distance|dist|position|pos|coordinate|coord|xyz|geometry|geom|cell|lattice|box)s?"
_LENGTH_KEY = re.compile(rf"{_PLACES}units?|units?of{_PLACES}|unit(length|distance)s?")
_UNIT_KEYS = ("unit", "units")

# Other units that a key without "length" may name.
_HARMLESS = ("ev", "mev", "kev", "hartree", "hartrees", "ha", "eh", "kcal", "kj", "cal", "mol",
             "rydberg", "ry", "k", "kelvin", "debye", "d", "e", "fs", "ps", "amu", "u", "dalton",
             "gpa", "bar", "energy", "energies", "force", "forces", "stress", "length", "lengths",
             "position", "positions", "charge", "charges", "time", "mass", "json")


def checkLengthUnit(items):
    """Refuse a frame whose comment line says that its lengths are not in angstrom.

    Returns sentences about words that may say so.
    """
    lengths = [item for item in items if item.value is not None and _LENGTH_KEY.fullmatch(item.name)]
    for item in lengths:
        if _unit(item.value) not in _ANGSTROM:
            raise FrameError(f"{item.key}={shorten(item.value)}: positions and Lattice are read in "
                             "angstrom: convert them, and leave the key out")
    if lengths:
        return []
    for item in items:
        if item.value is not None and item.name in _UNIT_KEYS:
            _checkUnits(item)
    return _checkText(items)


def _unit(text):
    """The name of a unit: "\u00c5ngstr\u00f6m" is angstrom."""
    text = unicodedata.normalize("NFKD", text[:100])
    return plain("".join(c for c in text if not unicodedata.combining(c)))


def _checkUnits(item):
    """A key such as units=bohr or units="eV angstrom", which may be about lengths."""
    words = [_unit(word) for word in re.split(r"[\s,;:/*()\[\]{}\"'|=^]+", item.value[:1000])]
    words = [word for word in (_unit(item.value), *words) if word]
    if _unit(item.value) in _ANGSTROM + _ANGSTROM_SYSTEMS:
        return
    others = [word for word in words if word in _OTHER + _OTHER_SYSTEMS]
    unknown = [word for word in words[1:] if word not in _ANGSTROM + _HARMLESS
               and not word.isdecimal()]
    if others or unknown:
        raise FrameError(f"{item.key}={shorten(item.value)} may be about lengths, which are read in "
                         "angstrom: convert them, or write length_unit=angstrom where they are")


def _checkText(items):
    """Words such as "bohr" or "(nm)" in a text; "Ha/bohr" is a unit of forces."""
    words = [word for text in freeText(items) for word in text.split(None, 200)[:200]]
    words += [item.key for item in items if item.value is not None and
              item.value.lower() in ("t", "true", "1", "yes")]
    units = [_unit(word) for word in words]
    if any(unit in _ANGSTROM_WORDS for unit in units):
        return []
    for i, unit in enumerate(units):
        if unit in _BOHR:
            raise FrameError(f"'{shorten(words[i])}' in the comment line looks like the unit of the "
                             "positions, which are read in angstrom: convert them, or write "
                             "length_unit=angstrom where they are")
        # i-PI writes positions{atomic_unit}, without its braces here
        place = unit.removeprefix("positions")
        if place != unit and place in _OTHER:
            raise FrameError(f"'{shorten(words[i])}' in the comment line is a unit of the positions, "
                             "which are read in angstrom: convert them")
        before = units[i - 1] if i else ""
        said = len(words) == 1 or before in ("in", "unit", "units") or words[i][0] in "(["
        # "atomic units" are two words; Au is gold
        if unit == "atomic" and units[i + 1:i + 2] not in (["unit"], ["units"]):
            continue
        if words[i] != "Au" and unit in _OTHER and unit != "m" and (said or unit == "atomic"):
            return [f"'{shorten(words[i])}' in the comment line may be the unit of the positions, "
                    "which are read in angstrom: write length_unit=angstrom where they are"]
    return []
