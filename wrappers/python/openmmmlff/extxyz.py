"""Reader of extended XYZ files.

    3                                          number of atoms
    Lattice="10 0 0 0 10 0 0 0 10" charge=0    comment: any text, with key=value where wanted
    O  0.000  0.000  0.119                     element and position in angstrom
    ...

and so on, frame after frame; docs/xyz-files.md has the rules. Keys that are read: Lattice (nine
numbers, vectors a b c), pbc (T or F, three times; partly periodic frames are refused), Properties
(the columns: species or Z or numbers, and pos), the names of charge and multiplicity that
charge_words.py has, the units that length_words.py has. Other keys and columns are ignored.
"""
import math
import os
import re
from dataclasses import dataclass, field

import numpy as np

from openmmmlff import charge_words, comment_line, length_words
from openmmmlff.convert.elements import SYMBOLS
from openmmmlff.errors import FrameError
from openmmmlff.files import openRegular
from openmmmlff.texts import isNotFinite, number, shorten

# Longest line that is read; a longer one ends its frame.
_LINE = 1 << 19         # characters
_SKIPPED = 1 << 28      # characters of a longer line that are looked through for its end

# Positions and lattice vectors beyond are a mistake: nothing of a molecule is left in them.
_FARTHEST = 1e6         # angstrom


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
    charge: float | None = None      # e; None: the frame says nothing
    multiplicity: int | None = None
    warnings: list = field(default_factory=list)    # sentences about what may be misread

    @property
    def name(self):
        """How messages name the frame."""
        return f"frame {self.index} ({self.where})"


def readFrames(path, needsCharge=True, needsMultiplicity=True):
    """Yield the frames of a file. A frame that is wrong has its error set.

    needsCharge, needsMultiplicity: False where the caller knows better; then charge or
    multiplicity are not read, and what is not understood about them is no error.

    After an error the next frame is looked for where the number of atoms says that it begins; a
    wrong number of atoms ends the file. OSError if the file cannot be read, or is no regular file.
    """
    with openRegular(path, encoding="utf-8-sig", errors="replace") as file:
        other = _otherKind(os.pread(file.fileno(), 64, 0))
        lines = _Lines(file)
        index = 0
        while True:
            error = count = None
            try:
                if (line := lines.next()) is None:
                    return
                if not line.strip():
                    continue  # between frames and at the end
                count = _atomCount(line)
                if count is None:
                    error = (f"line {lines.number}: expected the number of atoms, found "
                             f"'{shorten(line)}'; " + (other if index == 0 and other else
                                                      "what follows cannot be read"))
            except FrameError as tooLong:
                error = f"{tooLong}; what follows cannot be read"
            index += 1
            frame = Frame(index, f"{path}:{lines.number}", error)
            if error is None:
                try:
                    _parse(frame, lines, count, needsCharge, needsMultiplicity)
                except FrameError as wrong:
                    frame.error = str(wrong)
            yield frame
            if error is not None:
                return


_KINDS = ((b"\x1f\x8b", "it is compressed: unpack it with gunzip"),
          (b"BZh", "it is compressed: unpack it with bunzip2"),
          (b"\xfd7zXZ", "it is compressed: unpack it with unxz"),
          (b"\x28\xb5\x2f\xfd", "it is compressed: unpack it with unzstd"),
          (b"PK\3\4", "it is a ZIP archive: unpack it"),
          (b"data_", "it looks like CIF, and XYZ is expected"),
          *((word, "it looks like PDB, and XYZ is expected") for word in
            (b"CRYST1", b"HEADER", b"REMARK", b"ATOM  ", b"HETATM", b"MODEL ", b"TITLE ", b"COMPND")))


def _otherKind(head):
    """What a file is that is no XYZ file, by its first bytes; '' where they do not say."""
    found = next((what for start, what in _KINDS if head.startswith(start)), "")
    if not found and (head[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in head[:4]):
        return "it is UTF-16 or UTF-32, or no text: save it as UTF-8"
    return found


class _Lines:
    """The lines of a file, of bounded length."""

    def __init__(self, file):
        self.file = file
        self.number = 0         # of the line that next() returned last; 1 for the first
        self.kept = None        # a line that was looked at and belongs to the next frame

    def next(self):
        """The next line without its end, None at the end of the file."""
        line, self.kept = self.kept, None
        if line is None:
            line = self.file.readline(_LINE + 1)
        if line == "":
            return None
        self.number += 1
        if len(line) > _LINE and not line.endswith("\n"):
            self._skip()
            raise FrameError(f"line {self.number} has more than {_LINE} characters")
        return line.rstrip("\r\n")

    def _skip(self):
        """Go to the end of a line that is too long; at some point the file counts as read."""
        for _ in range(_SKIPPED//_LINE):
            if (piece := self.file.readline(_LINE)) == "" or piece.endswith("\n"):
                return
        self.file.seek(0, os.SEEK_END)

    def block(self, count):
        """The next lines, at most count of them. After a line that is too long: FrameError."""
        lines, error = [], None
        for _ in range(count):
            try:
                if (line := self.next()) is None:
                    break
                if error is None:
                    lines.append(line)
            except FrameError as tooLong:
                error = error or tooLong
        if error:
            raise error
        return lines

    def vectors(self):
        """The lines VEC1 ... after the atoms, in which ASE may write the cell."""
        lines = []
        while len(lines) < 3:
            line = self.file.readline(_LINE + 1)
            if not line.lstrip().startswith("VEC"):
                self.kept = line
                return lines
            self.number += 1
            lines.append(line)
        return lines


def _atomCount(line):
    text = line.strip()
    return int(text) if re.fullmatch(r"\+?[0-9]{1,9}", text) else None


def _parse(frame, lines, count, needsCharge, needsMultiplicity):
    """Fill a frame from its comment line, its atom lines and the lines of its cell."""
    first = lines.number + 2    # of the atom lines
    block = lines.block(count + 1)
    vectors = lines.vectors()
    if count == 0:
        raise FrameError("it has no atoms")
    if len(block) < count + 1:
        raise FrameError(f"the file ends after {max(len(block) - 1, 0)} of {count} atoms")
    keys = _Keys(block[0])
    _checkText(block, keys)
    frame.warnings = length_words.checkLengthUnit(keys.items)
    _readCell(frame, keys, vectors)
    columns = _columns(keys.text("Properties"))
    rows = _rows(block[1:], columns, first)
    _checkTypes(rows, columns, keys.items)
    frame.numbers = _numbers(rows, columns, first)
    frame.warnings += _atomNames(rows, columns, first)
    frame.positions = _positions(rows, columns.position, first)
    charge_words.checkPair(keys.items, needsCharge, needsMultiplicity)
    if needsCharge:
        keys.refuseDoubts(charge_words.isCharge)
        frame.charge = charge_words.totalCharge(keys.items, _values(rows, columns.charges, first))
    if needsMultiplicity:
        keys.refuseDoubts(charge_words.isMultiplicity)
        frame.multiplicity = charge_words.multiplicity(keys.items,
                                                       _values(rows, columns.moments, first))
    if needsCharge and needsMultiplicity:
        charge_words.checkTwoIntegers(keys.items)
    frame.warnings += charge_words.hints(keys.items, frame.charge is None and needsCharge,
                                         frame.multiplicity is None and needsMultiplicity)


_SPECIAL = ("Lattice", "pbc", "Properties")


class _Keys:
    """The keys of a comment line that say how the frame is to be read.

    They are Lattice, pbc and Properties. Where a line has one in this case, it holds, and others
    of that name are a program's own; else any case will do.
    """

    def __init__(self, line):
        self.items, self.doubts = comment_line.parse(line)
        self.values, self.exact = {}, set()
        named = {key.lower(): [] for key in _SPECIAL}
        for item in self.items:
            if item.value is not None and item.name in named:
                named[item.name].append(item)
        for key in _SPECIAL:
            alike = [item for item in named[key.lower()] if item.key.lower() == key.lower()]
            found = [item for item in alike if item.key == key]
            if found:
                self.exact.add(key)
            else:
                found = alike
            if len({item.value for item in found}) > 1:
                raise FrameError(f"{found[0].key} is twice in the comment line")
            if found:
                self.values[key] = found[0].value.strip()
        # a pbc in doubt matters, unless all that may be one say the same as a Lattice alone
        self.pbcDoubt = "pbc" in map(comment_line.plain, self.doubts) and not all(
            re.match(r"[\"'\[{]?T[ ,]+T[ ,]+T", text)
            for text in re.findall(r"pbc\s{0,9}=\s{0,9}(.{0,9})", line, re.IGNORECASE))
        self.refuseDoubts(lambda name: name in ("lattice", "properties"))

    def refuseDoubts(self, matters):
        """A word with "=" that may be a key or a part of a text must not be one that matters."""
        for word in self.doubts:
            if matters(comment_line.plain(word)):
                raise FrameError(f"{shorten(word)}= in the comment line may be a key, or a part of "
                                 "the text before it: is a quote or a value missing?")

    def text(self, key):
        return self.values.get(key)


# ------------------------------------------------------------------ the cell
def _readCell(frame, keys, vectors):
    """Lattice and pbc. A Lattice that spans no volume is none where pbc says F three times."""
    flags = _flags(keys.text("pbc"))
    values = _lattice(keys, flags)
    if vectors:
        if values is not None:
            raise FrameError("it has a Lattice and lines VEC1 ...: expected one of them")
        if len(vectors) < 3:
            raise FrameError(f"it has {len(vectors)} lines VEC1 ...: a frame is periodic in all "
                             "three directions (three lines) or not at all")
        values, flags = _vectorLines(vectors), [True]*3
    if flags is not None and any(flags) and not all(flags):
        raise FrameError(f"pbc=\"{shorten(keys.text('pbc'))}\": a frame is periodic in all three "
                         "directions or not at all")
    if values is None:
        if flags is not None and all(flags):
            raise FrameError("pbc says periodic, but there is no Lattice")
        if flags is None:
            _checkOtherCells(keys)
        return
    if keys.pbcDoubt:
        raise FrameError("pbc= in the comment line may be a key, or a part of the text before it: "
                         "is a quote or a value missing?")
    frame.pbc = flags is None or all(flags)
    wrong = _wrongLattice(values)
    if wrong and frame.pbc:
        text = "lines VEC1 ..." if vectors else f"Lattice=\"{shorten(keys.text('Lattice'))}\""
        raise FrameError(f"{text}: {wrong}" + ("" if flags is not None else
                         "; a molecule in vacuum has no Lattice, or pbc=\"F F F\""))
    if not wrong:
        frame.lattice = np.array(values).reshape(3, 3)


def _flags(text):
    """pbc as three bools, None where the frame does not say."""
    if text is None:
        return None
    words = re.findall(r"[^\s,\[\]]+", text.removeprefix("_JSON "))
    if len(words) == 1 and re.fullmatch("[TF]{3}", words[0]):
        words = list(words[0])
    known = {"t": True, "true": True, "1": True, "f": False, "false": False, "0": False}
    flags = [known.get(word.lower()) for word in words]
    if len(flags) == 1:
        flags *= 3
    if len(flags) != 3 or None in flags:
        raise FrameError(f"pbc=\"{shorten(text)}\": expected T or F three times")
    return flags


_ROW = r"\[([^\[\]]*)\]"
_NESTED = re.compile(rf"\s*\[?\s*{_ROW}\s*,?\s*{_ROW}\s*,?\s*{_ROW}\s*\]?\s*")


def _lattice(keys, flags):
    """The nine numbers of Lattice (angstrom, maybe not finite), None where there is none."""
    text = keys.text("Lattice")
    if text is None:
        return None
    nested = _NESTED.fullmatch(text.removeprefix("_JSON "))
    rows = nested.groups() if nested else [text]
    words = [row.replace(",", " ").split() for row in rows]
    values = [_latticeNumber(word) for row in words for word in row]
    if len(values) == 9 and None not in values and len({len(row) for row in words}) == 1:
        return values
    if "Lattice" not in keys.exact and "Properties" in keys.exact:
        return None     # a program's own: what writes Properties writes Lattice
    raise FrameError(f"Lattice=\"{shorten(text)}\": expected nine numbers")


def _latticeNumber(word):
    """A number; inf and nan are what some programs write where there is no lattice."""
    return math.nan if isNotFinite(word) else number(word)


def _vectorLines(lines):
    """The nine numbers of the lines VEC1, VEC2, VEC3."""
    values = []
    for i, line in enumerate(lines, start=1):
        words = line[:1000].split()
        row = [number(word) for word in words[1:]]
        if words[0] != f"VEC{i}" or len(row) != 3 or None in row:
            raise FrameError(f"'{shorten(line)}': expected VEC{i} and three numbers")
        values += row
    return values


def _wrongLattice(values):
    """Why nine numbers are no lattice, '' if they are one."""
    vectors = np.array(values).reshape(3, 3)
    if not np.isfinite(vectors).all():
        return "expected nine numbers, all of them finite"
    if np.abs(vectors).max() > _FARTHEST:
        return f"a vector is longer than {_FARTHEST:g} angstrom"
    lengths = np.linalg.norm(vectors, axis=1)
    if not abs(np.linalg.det(vectors)) > 1e-6*np.prod(lengths):
        return "the three vectors span no volume"
    return ""


_OTHER_CELLS = re.compile(r"#?((unit_?)?cell(_?(vectors?|lengths|parameters|par|abc|angles))?|"
                          r"lattice_?\w{0,20}|box(_?vectors)?|tv|periodic|surface|slab|cryst1?)"
                          r"([(\[]?[a-z]{0,10}[)\]]?:?)", re.IGNORECASE)


def _checkOtherCells(keys):
    """A frame without Lattice and pbc must not have what looks like a cell."""
    _checkNumbersAlone(keys.items)
    for i, item in enumerate(keys.items):
        if not _OTHER_CELLS.fullmatch(item.key):
            continue
        if item.value is None:
            words = [other.key for other in keys.items[i + 1:i + 4] if other.value is None]
        else:
            words = re.sub(r"[\[\],]", " ", item.value.removeprefix("_JSON ")).split()
        if len(words) in (3, 6, 9) and all(number(word) is not None for word in words):
            raise FrameError(f"'{shorten(item.key)}' in the comment line looks like a cell, but is "
                             "not read: " + _CELL_REMEDY)


_CELL_REMEDY = ("write Lattice=\"...\" with nine numbers, or pbc=\"F F F\" for a molecule in vacuum")


def _checkNumbersAlone(items):
    """A comment line of nothing but 3, 6 or 9 numbers: lengths, and angles, of other programs."""
    if len(items) in (3, 6, 9) and all(item.value is None and number(item.key.strip(",")) is not None
                                       for item in items):
        raise FrameError(f"the {len(items)} numbers of the comment line look like a cell, but are not "
                         f"read: {_CELL_REMEDY}, or add a word that says what they are")


_FRACTIONAL = re.compile(r"\b(fractional|(scaled|reduced|direct|crystal) (coord|pos))", re.ASCII)


def _checkText(block, keys):
    """A comment line that is an atom, or that says that positions are not lengths."""
    words = [item.key for item in keys.items if item.value is None]
    if len(words) == len(keys.items) in (4, 5, 7) and _symbol(words[0]) is not None and \
            all(number(word) is not None for word in words[1:]):
        raise FrameError(f"the comment line '{shorten(block[0])}' looks like an atom: is the comment "
                         "line missing? It may be empty, but must be there")
    for text in charge_words.freeText(keys.items):
        if match := _FRACTIONAL.search(text.lower()):
            raise FrameError(f"'{match.group()}' in the comment line may be about the positions, "
                             "which are read in angstrom: convert them, and leave the word out")


# ------------------------------------------------------------------ the columns
@dataclass
class _Columns:
    """Where things are in an atom line."""
    species: int                # column of the symbol or atomic number
    numbers: int | None         # column of the atomic number, where it is a second one
    position: int               # first column of the position
    width: int                  # columns in all
    exact: bool                 # no more are allowed
    charges: dict               # columns of charges: {name: column}
    moments: dict               # of magnetic moments


_SPECIES = ("species", "element", "elements", "symbols")
_NUMBERS = ("z", "numbers", "atomic_numbers")


def _columns(properties):
    """The columns that Properties describes; those of plain XYZ where there is none."""
    if properties is None:
        return _Columns(0, None, 1, 4, False, {}, {})
    parts = properties.split(":")
    if len(parts) % 3 != 0:
        raise FrameError(f"Properties={shorten(properties)}: expected name:type:columns, repeated")
    start, column = {}, 0
    charges, moments = {}, {}
    for name, kind, width in zip(*[iter(parts)]*3):
        if not re.fullmatch("[0-9]{1,6}", width) or int(width) < 1 or \
                kind not in ("S", "R", "I", "L"):
            raise FrameError(f"Properties={shorten(properties)}: "
                             f"'{shorten(name)}:{shorten(kind)}:{shorten(width)}' is not "
                             "name:type:columns with a type of S, R, I or L")
        if name in start and name in ("pos", "species", "Z"):
            raise FrameError(f"Properties={shorten(properties)}: {name} is twice in it")
        start.setdefault(name, (column, kind, int(width)))
        start.setdefault(name.lower(), (column, kind, int(width)))
        if kind in "RI" and int(width) == 1:
            if charge_words.looksLikeCharge(comment_line.plain(name)):
                charges[name] = column
            elif charge_words.looksLikeSpin(comment_line.plain(name)):
                moments[name] = column
        column += int(width)
    species = next((start[k] for k in _SPECIES if k in start and start[k][1] == "S"), None)
    numbers = start.get("Z")
    if species is None and numbers is None:     # written in another way
        species = next((start[k] for k in (*_SPECIES, *_NUMBERS) if k in start), None)
    if any(found is not None and found[2] != 1 for found in (species, numbers)) or \
            (species is None and numbers is None):
        raise FrameError(f"Properties={shorten(properties)}: there is no column species or Z")
    position = start.get("pos", start.get("positions"))
    if position is None or position[1] != "R" or position[2] != 3:
        raise FrameError(f"Properties={shorten(properties)}: there is no pos:R:3")
    first = species or numbers
    second = numbers if species else None
    return _Columns(first[0], second and second[0], position[0], column, True, charges, moments)


def _rows(lines, columns, first):
    """The fields of each atom line; first is the number of the first one."""
    rows = []
    for i, line in enumerate(lines):
        fields = line.split()
        if len(fields) < columns.width or (columns.exact and len(fields) > columns.width):
            raise FrameError(f"line {first + i}: expected {columns.width} columns, found "
                             + (f"{len(fields)}" if fields else "an empty line")
                             + f" (atom {i + 1} of {len(lines)})")
        rows.append(fields)
    return rows


def _numbers(rows, columns, first):
    """The atomic numbers."""
    numbers = tuple(_element(fields[columns.species], first + i) for i, fields in enumerate(rows))
    if columns.numbers is not None:
        for i, fields in enumerate(rows):
            if fields[columns.numbers] != str(numbers[i]):
                raise FrameError(f"line {first + i}: the element {fields[columns.species][:20]} "
                                 f"and the atomic number {shorten(fields[columns.numbers])} "
                                 "disagree")
    return numbers


def _positions(rows, column, first):
    """[n][3] angstrom."""
    positions = np.empty((len(rows), 3))
    for i, fields in enumerate(rows):
        for d in range(3):
            text = fields[column + d]
            value = number(text)
            if value is None:
                raise FrameError(f"line {first + i}: " + (
                    f"the coordinate {shorten(text)} is not finite" if isNotFinite(text) else
                    f"'{shorten(text)}' is not a coordinate"))
            if abs(value) > _FARTHEST:
                raise FrameError(f"line {first + i}: the coordinate {shorten(text)} is beyond "
                                 f"{_FARTHEST:g} angstrom")
            positions[i, d] = value
    return positions


def _element(text, line):
    """Atomic number of a symbol, in any case, or of a number."""
    if re.fullmatch("[0-9]{1,3}", text) and 1 <= int(text) < len(SYMBOLS):
        return int(text)
    if (found := _symbol(text)) is not None:
        return found
    remedy = {"D": ": write H, which has the same energy", "T": ": write H, which has the same energy",
              "X": ": leave dummy atoms out", "BQ": ": leave ghost atoms out"}
    raise FrameError(f"line {line}: '{shorten(text)}' is not an element"
                     + remedy.get(text.upper(), ""))


def _symbol(text):
    """Atomic number of a symbol, in any case; None where it is none."""
    if len(text) <= 2 and text.isascii() and text.capitalize() in SYMBOLS[1:]:
        return SYMBOLS.index(text.capitalize())
    return None


def _checkTypes(rows, columns, items):
    """LAMMPS writes its types, which begin at 1, where it was told no elements."""
    if [item.key for item in items[:2]] == ["Atoms.", "Timestep:"] and \
            all(fields[columns.species].isdecimal() for fields in rows):
        raise FrameError("the comment line is LAMMPS's, and its numbers are types of atoms, not "
                         "atomic numbers: write symbols (dump_modify ... element)")


# Names of atoms in PDB files (C alpha, H gamma, ...) that are symbols in capitals, too.
_ATOM_NAMES = ("CA", "CD", "CE", "CO", "HE", "HG", "HO", "NA", "ND", "NE")


def _atomNames(rows, columns, first):
    """Sentences about a symbol that may be the name of an atom."""
    for i, fields in enumerate(rows):
        text = fields[columns.species]
        if text in _ATOM_NAMES:
            return [f"line {first + i}: '{text}' is read as the element {text.capitalize()}: is it the "
                    f"name of an atom {text[0]}?"]
    return []


def _values(rows, columns, first):
    """The numbers in columns: {name: list}."""
    values = {}
    for name, column in columns.items():
        values[name] = [number(fields[column]) for fields in rows]
        if None in values[name]:
            i = values[name].index(None)
            raise FrameError(f"line {first + i}: '{shorten(rows[i][column])}' in the "
                                     f"column {shorten(name)} is not a number")
    return values
