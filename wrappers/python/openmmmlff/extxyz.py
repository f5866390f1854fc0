"""Reader of extended XYZ files.

    3                                          number of atoms
    Lattice="10 0 0 0 10 0 0 0 10" charge=0    comment: any text, with key=value where wanted
    O  0.000  0.000  0.119                     element and position in angstrom
    ...

and so on, frame after frame. Keys that are read: Lattice (nine numbers, vectors a b c), pbc
(T or F, three times; partly periodic frames are refused), Properties (the columns: species or
Z or numbers, and pos), charge, multiplicity. Other keys and columns are ignored.
"""
import math
import re
from dataclasses import dataclass

import numpy as np

from openmmmlff.convert.elements import SYMBOLS


class FrameError(ValueError):
    """What is wrong with a frame; the message says what, not where."""


@dataclass
class Frame:
    """One frame of a file. If error is set, the fields after it are not."""
    index: int                       # 1 for the first
    where: str                       # "file.xyz:12", the line of its number of atoms
    error: str | None = None
    numbers: tuple = ()              # atomic numbers
    positions: np.ndarray = None     # [n][3] angstrom
    lattice: np.ndarray = None       # [3][3] angstrom, rows a b c; None: no Lattice
    pbc: bool = False                # periodic by what the frame says
    charge: float | None = None      # e
    multiplicity: int | None = None

    @property
    def name(self):
        """How messages name the frame."""
        return f"frame {self.index} ({self.where})"


def readFrames(path):
    """Yield the frames of a file. A frame that is wrong has its error set.

    After an error the next frame is looked for where the number of atoms says that it begins; a
    wrong number of atoms ends the file. OSError if the file cannot be read.
    """
    with open(path, encoding="utf-8-sig", errors="replace") as file:
        lines = enumerate(file, start=1)
        index = 0
        for number, line in lines:
            if not line.strip():
                continue  # between frames and at the end
            index += 1
            frame = Frame(index, f"{path}:{number}")
            count = _atomCount(line)
            if count is None:
                frame.error = (f"line {number}: expected the number of atoms, found "
                               f"'{_shorten(line)}'; what follows cannot be read")
                yield frame
                return
            block = [text.rstrip("\r\n") for _, (_, text) in zip(range(count + 1), lines)]
            try:
                _parse(frame, number, count, block)
            except FrameError as error:
                frame.error = str(error)
            yield frame


def _atomCount(line):
    text = line.strip()
    return int(text) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _shorten(text, length=40):
    text = text.strip()
    return text if len(text) <= length else text[:length] + "..."


def _parse(frame, first, count, block):
    """Fill a frame from its comment line and its atom lines."""
    if count == 0:
        raise FrameError("it has no atoms")
    if len(block) < count + 1:
        raise FrameError(f"the file ends after {max(len(block) - 1, 0)} of {count} atoms")
    keys = _comment(block[0])
    _readCell(frame, keys)
    if "charge" in keys:
        frame.charge = _number(keys["charge"], "charge")
    if "multiplicity" in keys:
        value = _number(keys["multiplicity"], "multiplicity")
        if value != int(value):
            raise FrameError(f"multiplicity={keys['multiplicity']} is not a whole number")
        frame.multiplicity = int(value)
    species, position, width = _columns(keys.get("properties"))

    numbers = []
    positions = np.empty((count, 3))
    for i, line in enumerate(block[1:]):
        fields = line.split()
        where = f"line {first + 2 + i}"
        if len(fields) < width or ("properties" in keys and len(fields) > width):
            raise FrameError(f"{where}: expected {width} columns, found "
                             + (f"{len(fields)}" if fields else "an empty line")
                             + f" (atom {i + 1} of {count})")
        numbers.append(_element(fields[species], where))
        for d in range(3):
            positions[i, d] = _coordinate(fields[position + d], where)
    frame.numbers = tuple(numbers)
    frame.positions = positions


_TOKEN = re.compile(r"""\s*([^\s=,"'{}\[\]]+)\s*
    (?:=\s*("[^"]*" | '[^']*' | \{[^}]*\} | \[[^\]]*\] | [^\s"'{}\[\]]+))?""", re.VERBOSE)


def _comment(line):
    """The key=value pairs of a comment line, keys in lower case; the rest is free text."""
    keys = {}
    position = 0
    while position < len(line):
        match = _TOKEN.match(line, position)
        if match is None:
            position += 1
            continue
        position = match.end()
        if match.group(2) is None:
            continue
        key, value = match.group(1).lower(), match.group(2)
        if value[0] in "\"'{[":
            value = value[1:-1]
        if key in keys and key in ("lattice", "pbc", "properties", "charge", "multiplicity"):
            raise FrameError(f"{match.group(1)} stands twice in the comment line")
        keys[key] = value.strip()
    for key in ("lattice", "pbc", "properties", "charge", "multiplicity"):
        # a key that was meant but not understood must not be taken for free text
        if key not in keys and re.search(rf"(?:^|\s){key}\s*=", line, re.IGNORECASE):
            raise FrameError(f"{key}= in the comment line is not understood: is a quote missing?")
    return keys


def _readCell(frame, keys):
    if "lattice" in keys:
        words = keys["lattice"].replace(",", " ").split()
        try:
            values = [float(word) for word in words]
        except ValueError:
            values = []
        if len(values) != 9 or not all(map(math.isfinite, values)):
            raise FrameError(f"Lattice=\"{keys['lattice']}\": expected nine numbers")
        frame.lattice = np.array(values).reshape(3, 3)
        volume = abs(np.linalg.det(frame.lattice))
        lengths = np.linalg.norm(frame.lattice, axis=1)
        if volume <= 1e-6*np.prod(lengths):
            raise FrameError(f"Lattice=\"{keys['lattice']}\": the three vectors span no volume")
        frame.pbc = True
    if "pbc" in keys:
        words = re.findall(r"[^\s,]+", keys["pbc"])
        known = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
        flags = [known.get(word.lower()) for word in words]
        if len(flags) == 1:
            flags *= 3
        if len(flags) != 3 or None in flags:
            raise FrameError(f"pbc=\"{keys['pbc']}\": expected T or F three times")
        if any(flags) and not all(flags):
            raise FrameError(f"pbc=\"{keys['pbc']}\": a frame is periodic in all three directions "
                             "or not at all")
        if all(flags) and frame.lattice is None:
            raise FrameError("pbc says periodic, but there is no Lattice")
        frame.pbc = all(flags)


def _columns(properties):
    """Column of the element, first column of the position, number of columns needed."""
    if properties is None:
        return 0, 1, 4
    parts = properties.split(":")
    if len(parts) % 3 != 0:
        raise FrameError(f"Properties={properties}: expected name:type:columns, repeated")
    start = {}
    column = 0
    for name, kind, width in zip(*[iter(parts)]*3):
        if not width.isdigit() or int(width) < 1 or kind not in ("S", "R", "I", "L"):
            raise FrameError(f"Properties={properties}: '{name}:{kind}:{width}' is not "
                             "name:type:columns with a type of S, R, I or L")
        start.setdefault(name.lower(), (column, kind, int(width)))
        column += int(width)
    species = next((start[k] for k in ("species", "z", "numbers", "atomic_numbers", "element")
                    if k in start), None)
    if species is None or species[2] != 1:
        raise FrameError(f"Properties={properties}: there is no column species or Z")
    position = start.get("pos", start.get("positions"))
    if position is None or position[1] != "R" or position[2] != 3:
        raise FrameError(f"Properties={properties}: there is no pos:R:3")
    return species[0], position[0], column


def _number(text, key):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FrameError(f"{key}={text} is not a number")
    return value


def _coordinate(text, where):
    try:
        value = float(text)
    except ValueError:
        raise FrameError(f"{where}: '{text}' is not a coordinate") from None
    if not math.isfinite(value):
        raise FrameError(f"{where}: the coordinate {text} is not finite")
    return value


def _element(text, where):
    """Atomic number of a symbol, in any case, or of a number."""
    if text.isdecimal() and 1 <= int(text) < len(SYMBOLS):
        return int(text)
    if text and text.capitalize() in SYMBOLS:
        return SYMBOLS.index(text.capitalize())
    raise FrameError(f"{where}: '{text}' is not an element")
