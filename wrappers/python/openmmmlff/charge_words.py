"""Total charge and spin multiplicity as people and programs write them into XYZ files.

Names are compared as comment_line.plain() makes them: "Total-Charge" is "totalcharge". docs/xyz-files.md has the rules for users.
"""
import re

from openmmmlff.comment_line import plain
from openmmmlff.convert.elements import SYMBOLS
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
    if given is None:
        _checkText(items, what)
    for item in items:
        if item.value is not None and looksLike(item.name) and not isCertain(item.name):
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
                     f"is not certain: write {what}=... into the comment line, or give "
                     + (_spinRemedy(values) if what == "multiplicity" else "--charge"))


def _spinRemedy(values):
    """The options for what a number named spin may mean."""
    if values is None or len(values) != 1 or not 1 <= values[0] < LARGEST_MULTIPLICITY or \
            values[0] != int(values[0]):
        return "--multiplicity (2S+1)"
    return (f"--multiplicity {values[0]:g} if it is 2S+1, --multiplicity {values[0] + 1:g} if it is "
            "2S, the number of unpaired electrons")


def _values(text):
    """The numbers of a list, or None."""
    words = re.sub(r"[\[\],]", " ", text.removeprefix("_JSON ")).split()
    values = [number(word) for word in words]
    return values if values and None not in values else None


# Text such as "charge -1", "Charge : +1", "(charge is 2-)", in lower case.
_NUMBER_AFTER = (r"(?=[\s:(])\s{0,9}(?P<link>[:(]|is\b|of\b)?\s{0,9}"
                 r"(?P<value>[+-]?[0-9]{1,6}(?:\.[0-9]{0,9})?)(?P<sign>[+-]?)e?(?![\w.+-])")
_TEXT = {"charge": re.compile(r"(?<![\w-])(?:charge|q|chg|chrg)[\"']?" + _NUMBER_AFTER, re.ASCII),
         "multiplicity": re.compile(r"(?<![\w/&-])(?:multiplicity|mult|spin)[\"']?" + _NUMBER_AFTER,
                                    re.ASCII)}


def _checkText(items, what):
    """Text that says a charge or a multiplicity without "="."""
    for text in freeText(items):
        for match in _TEXT[what].finditer(_PAIR.sub(" ", text.lower())):
            value = float(match["value"])*(-1 if match["sign"] == "-" else 1)
            if match["link"] == "of" and match["value"][0] not in "+-" and not match["sign"]:
                continue    # "the charge of 2 atoms"
            if value != (0 if what == "charge" else 1):
                raise FrameError(f"'{shorten(match.group())}' in the comment line looks like a "
                                 f"{what}: write {what}={value:g}")


def freeText(items):
    """The words without "=" of a comment line, those that follow each other as one text."""
    texts, words = [], []
    for item in [*items, None]:
        if item is not None and item.value is None:
            words.append(item.key)
        elif words:
            texts.append(" ".join(words))
            words = []
    return texts


# Keys whose values are texts about the molecule.
_TITLES = ("title", "name", "comment", "description", "molecule", "formula", "label", "system")

_ION_WORDS = re.compile("(mono|di|tri|tetra)?(cation|anion|kation)(s|ic)?|(de)?protonated")
_SPIN_WORDS = re.compile("doublet|triplet|quartet|quintet|sextet|septet|(di|bi)?radical")
_FORMULA = re.compile(r"[\[(]?(?P<atoms>(?:[A-Z][a-z]?[0-9]{0,4}|[([]|[)\]][0-9]{0,2}){1,40}?)"
                      r"[\^_({]{0,2}[0-9]?[+-][)}]{0,2}")
_NUMBER = re.compile(r"[1-9][+-]|[+-][1-9](\.0*)?")
_SUPERSCRIPTS = str.maketrans("\u207a\u207b\u00b9\u00b2\u00b3\u2074\u2212", "+-1234-")
_WORDS_LOOKED_AT = 200


def hints(items, needsCharge, needsMultiplicity):
    """Sentences about words such as "NH4+" or "triplet" in a frame that has no certain key.

    They may be names, or be about something else: a warning, no error. needsCharge and
    needsMultiplicity: whether there is no such key, and the caller does not know better.
    """
    words = [word.translate(_SUPERSCRIPTS).strip(".,;:\"'")
             for text in freeText(items) + [item.value for item in items
                                            if item.value is not None and item.name in _TITLES]
             for word in text.split(None, _WORDS_LOOKED_AT)[:_WORDS_LOOKED_AT]]
    found = []
    if needsCharge:
        found += _hint(words, _looksLikeIon, "an ion", "with a charge of 0", "charge")
    if needsMultiplicity:
        found += _hint(words, lambda word: _SPIN_WORDS.fullmatch(word.lower()),
                       "unpaired electrons", "with a multiplicity of 1", "multiplicity")
    return found


def _hint(words, isOne, what, how, key):
    word = next((word for word in words if isOne(word)), None)
    return [] if word is None else [
        f"'{shorten(word)}' in the comment line looks like {what}, but the frame is computed {how}: "
        f"write {key}=... into the comment line, or give --{key}"]


def _looksLikeIon(word):
    if _NUMBER.fullmatch(word) or _ION_WORDS.fullmatch(word.lower()):
        return True
    formula = _FORMULA.fullmatch(word)
    return formula is not None and all(
        symbol in SYMBOLS for symbol in re.findall("[A-Z][a-z]?", formula["atoms"]))


# "charge/mult: -1 2", "charge and spin multiplicity = 0 3"
_PAIR = re.compile(r"charge\W{0,3}(?:and\W)?\W{0,3}(?:spin|mult)(?:[a-z]|[_ -](?=[a-z])){0,20}"
                   r"\s{0,9}[:(]?\s{0,9}(?P<charge>[+-]?[0-9]{1,3})[\s,/]{1,9}"
                   r"(?P<multiplicity>[0-9]{1,3})(?![\w.])", re.ASCII)


def checkPair(items, needsCharge, needsMultiplicity):
    """Both of them after one name, as text or as a key; 0 and 1 are what is computed without."""
    if any(isCharge(item.name) for item in items if item.value is not None):
        return
    text = " ".join(item.key if item.value is None else f"{item.key} {item.value[:20]}"
                    for item in items)
    for match in _PAIR.finditer(text.lower()):
        charge, mult = int(match["charge"]), int(match["multiplicity"])
        if charge != 0 and needsCharge or mult != 1 and needsMultiplicity:
            raise FrameError(f"'{shorten(match.group())}' in the comment line looks like a charge "
                             f"and a multiplicity: write charge={charge} multiplicity={mult}")


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

