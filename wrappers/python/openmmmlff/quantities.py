"""Numbers and Quantities that users give, as what the C++ classes and numpy take.

Everything that reads as a number is taken: Python's and numpy's numbers of every width, fractions,
arrays without dimensions, and Quantities of the right dimension in any unit. What does not is
refused: another dimension, text, a fraction where a whole number is meant. So is a length without a
dimension, as by OpenMM's own forces; a number of proton charges is one without a dimension.
"""
import math
import operator
from typing import SupportsFloat, SupportsIndex, TypeAlias

import numpy as np
from openmm import unit

# What a user may give where a whole number, a number or a truth value is meant, for type checkers.
Int: TypeAlias = SupportsIndex
Float: TypeAlias = SupportsFloat | SupportsIndex | unit.Quantity
Bool: TypeAlias = bool | np.bool_

# Kinds of numbers: the unit of plain numbers, and what a message calls them.
KINDS = {
    "number": (unit.dimensionless, "a number without a unit"),
    "charge": (unit.elementary_charge, "a charge, as a Quantity or a number of proton charges"),
    "length": (unit.nanometer, "a length, as a Quantity or a number in nm"),
    "inverse length": (unit.nanometer**-1, "an inverse length, as a Quantity or a number in 1/nm"),
    "mass": (unit.dalton, "a mass, as a Quantity or a number in dalton"),
    "force": (unit.kilojoule_per_mole/unit.nanometer, "energies per length, as a Quantity or "
              "numbers in kJ/mol/nm"),
    "second derivative": (unit.kilojoule_per_mole/unit.nanometer**2, "energies per squared length, "
                          "as a Quantity or numbers in kJ/mol/nm^2"),
}


def number(value, kind, what):
    """A value as a float in the unit of its kind.

    kind  a key of KINDS
    what  how a message names the value, for example 'MLFFForce.setCoulombCutoff(): cutoff'
    """
    expected = KINDS[kind][1]
    plain = _scalar(_withoutUnit(value, kind, what), expected, what)
    try:
        return float(plain)
    except OverflowError:
        raise ValueError(f"{what} is {value}: too large for a floating point number") from None


def integer(value, what):
    """A value as an int of 32 bits: whole numbers of any type."""
    expected = "a whole number"
    plain = _scalar(_withoutUnit(value, "number", what), expected, what)
    try:
        whole = operator.index(plain)
    except TypeError:
        plain = float(plain)
        if not math.isfinite(plain) or plain != math.floor(plain):
            raise ValueError(f"{what} is {value}: expected {expected}") from None
        whole = int(plain)
    if not -2**31 <= whole < 2**31:
        raise ValueError(f"{what} is {whole}: expected a whole number from -2^31 to 2^31 - 1")
    return whole


def boolean(value, what):
    """A value as a bool: True and False of Python or numpy, nothing that merely has a truth value."""
    if not isinstance(value, (bool, np.bool_)):
        raise _unfit(value, "True or False", what)
    return bool(value)


def text(value, what):
    """A value as a str that can be kept as UTF-8 and read back from XML: no null characters."""
    if not isinstance(value, str):
        raise _unfit(value, "a text (str)", what)
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{what} is {value!r}: expected a text that can be encoded as "
                         "UTF-8") from None
    if "\0" in value:
        raise ValueError(f"{what} is {value!r}: expected a text without null characters")
    return value


def content(value, what):
    """The content of a file, as it is: anything that is bytes."""
    try:
        memoryview(value)
    except TypeError:
        raise _unfit(value, "the bytes of a model file", what) from None
    return value


def refuse(value, expected, what):
    """Raise the TypeError of a value that is not what was expected."""
    raise _unfit(value, expected, what)


def choice(value, names, what):
    """One of MLFFForce's constants, given as itself or as a whole number of another type.

    names  of the constants, separated by spaces: 'Auto Dense Sparse'
    """
    from openmmmlff.mlffforce import MLFFForce
    names = names.split()
    expected = ", ".join(f"MLFFForce.{name}" for name in names[:-1]) + f" or MLFFForce.{names[-1]}"
    if isinstance(value, (bool, np.bool_)):
        raise _unfit(value, expected, what)
    constant = _scalar(_withoutUnit(value, "number", what), expected, what)
    for name in names:
        if constant == getattr(MLFFForce, name):
            return getattr(MLFFForce, name)
    raise ValueError(f"{what} is {value!r}: expected {expected}")


def numbers(values, kind, what):
    """Values as a numpy array of floats in the unit of their kind.

    values  an array or nested sequences; a Quantity of them, or with Quantities as elements
    """
    plain = _withoutUnits(values, kind, what)
    try:
        array = np.asarray(plain)
    except ValueError:
        raise ValueError(f"{what}: expected an array, but its rows differ in length") from None
    if array.dtype == object and array.size > 0:  # fractions, say
        array = np.array([number(one, kind, what) for one in array.flat]).reshape(array.shape)
    if array.size > 0 and array.dtype.kind not in "buif":
        raise TypeError(f"{what}: expected {KINDS[kind][1]}, found {array.dtype} values")
    return array.astype(float)


def vector(value, kind, what):
    """Three numbers as a list of floats in the unit of their kind; value as for numbers()."""
    array = numbers(value, kind, what)
    if array.shape != (3,):
        raise ValueError(f"{what} has the shape {array.shape}: expected three numbers")
    return array.tolist()


def _withoutUnits(values, kind, what):
    """Nested sequences without the Quantities in them."""
    if unit.is_quantity(values):
        values = _withoutUnit(values, kind, what)
    if isinstance(values, np.ndarray) and values.dtype != object:
        return values
    if isinstance(values, (str, bytes)) or not hasattr(values, "__iter__"):
        return values
    return [_withoutUnits(one, kind, what) for one in values]


def _withoutUnit(value, kind, what):
    """The value of a Quantity in the unit of its kind; anything else as it is."""
    if not unit.is_quantity(value):
        return value
    wanted, expected = KINDS[kind]
    if kind == "charge" and value.unit.is_compatible(unit.dimensionless):
        wanted = unit.dimensionless
    if not value.unit.is_compatible(wanted):
        raise _unfit(value, expected, what)
    return value.value_in_unit(wanted)


def _scalar(value, expected, what):
    """A value that is a real number; TypeError for all others."""
    text = isinstance(value, (str, bytes, bytearray))
    array = getattr(value, "ndim", 0) != 0
    if not text and not array and not isinstance(value, (complex, np.complexfloating)):
        for convert in (operator.index, float):
            try:
                convert(value)
                return value
            except (TypeError, ValueError):
                pass
            except OverflowError:
                return value
    raise _unfit(value, expected, what)


def _unfit(value, expected, what):
    found = str(value) if unit.is_quantity(value) else repr(value)
    if len(found) > 60:
        found = found[:60] + " ..."
    return TypeError(f"{what} is {found}: expected {expected}")
