"""Symbols of the elements; index = atomic number, 0 is empty."""
from .errors import fail

SYMBOLS = ("",) + tuple("""
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br
    Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho
    Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm Bk Cf Es
    Fm Md No Lr Rf Db Sg Bh Hs Mt Ds Rg Cn Nh Fl Mc Lv Ts Og
""".split())


def parse(text):
    """Sorted atomic numbers of 'H C N', 'H,C,N', '1 6 7' or a sequence of either."""
    words = text.replace(",", " ").split() if isinstance(text, str) else list(text)
    numbers = set()
    for word in words:
        word = str(word)
        if word in SYMBOLS[1:]:
            numbers.add(SYMBOLS.index(word))
        elif word.isdecimal() and 1 <= int(word) < len(SYMBOLS):
            numbers.add(int(word))
        else:
            raise fail(f"'{word}' is not an element", "elements",
                       expected="symbols or atomic numbers, such as 'H C N O'")
    if not numbers:
        raise fail("the list of elements is empty", "elements")
    return sorted(numbers)


def symbols(numbers):
    return " ".join(SYMBOLS[z] for z in numbers)
