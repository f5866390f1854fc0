"""What a source file may cost: one account for everything that is built from it.

A few hundred bytes of a pickle, a zip archive or YAML can describe gigabytes, and values nested so
that hashing or printing them never ends. Whatever makes values draws from a Budget.
"""
from .errors import brief, fail

MAX_VALUES = 1_000_000        # values a file may build
MAX_DEPTH = 1000              # containers within containers
MAX_EXPANDED = 10_000_000     # values when everything that is shared is written out
MAX_INTEGER_BITS = 128
FREE_BYTES = 64 << 20         # of tensors and texts, beside a multiple of the file's size
BYTES_PER_BYTE = 16
MAX_ELEMENTS = 1 << 28        # of one tensor: 1 GiB in float32, far above any model here
MAX_DIMENSIONS = 16


class Budget:
    """Counts what a file has built; `where` names the file in messages."""

    def __init__(self, where, file_bytes):
        self.where = where
        self.values = MAX_VALUES
        self.bytes = FREE_BYTES + BYTES_PER_BYTE * file_bytes

    def spend_values(self, n):
        self.values -= n
        if self.values < 0:
            raise fail("describes too many values", self.where, expected=f"at most {MAX_VALUES}",
                       remedy="No model file needs them; it is not read")

    def spend_bytes(self, n):
        self.bytes -= n
        if self.bytes < 0:
            raise fail("describes far more data than it holds", self.where,
                       remedy="No model file needs that; it is not read")


def check_key(key):
    """A dictionary key that can be hashed in no time; TypeError for others."""
    if isinstance(key, tuple):
        if len(key) > MAX_DIMENSIONS or any(isinstance(part, tuple) for part in key):
            raise TypeError("a nested dictionary key")
        for part in key:
            check_key(part)
    hash(key)


def check_tree(root, where, children):
    """Refuse a value that is nested too deeply, or too large when written out.

    children: function(value) -> the values within it, () for a plain one. Cycles end where they
    meet themselves.
    """
    done = {}                       # id -> (depth, expanded size)
    path = set()
    stack = [(root, None, [0, 1])]  # value, iterator of its children, [depth, size]
    while stack:
        value, rest, found = stack.pop()
        if rest is None:
            path.add(id(value))
            rest = iter(children(value))
        for child in rest:
            if not children(child):
                found[1] += 1
                continue
            if id(child) in path:
                continue
            if id(child) in done:
                depth, size = done[id(child)]
                found[0], found[1] = max(found[0], depth + 1), found[1] + size
                continue
            stack.append((value, rest, found))
            stack.append((child, None, [0, 1]))
            break
        else:
            path.discard(id(value))
            done[id(value)] = tuple(found)
            if stack:
                above = stack[-1][2]
                above[0], above[1] = max(above[0], found[0] + 1), above[1] + found[1]
        if found[1] > MAX_EXPANDED or len(stack) > MAX_DEPTH:
            raise fail("holds values nested too deeply or too often", where,
                       expected=f"at most {MAX_DEPTH} levels and {MAX_EXPANDED} values",
                       remedy="No model file needs that; it is not read")


def plain_children(value):
    """For check_tree(): what JSON and YAML make."""
    if isinstance(value, dict):
        return [*value.keys(), *value.values()]
    return value if isinstance(value, (list, tuple)) else ()


def count_elements(shape, what, where):
    """Number of elements of a shape, which must be one that a tensor can have."""
    if len(shape) > MAX_DIMENSIONS:
        raise fail(f"{what} has too many dimensions", where, len(shape),
                   f"at most {MAX_DIMENSIONS}")
    n_elements = 1
    for n in shape:
        if type(n) is not int or n < 0:
            raise fail(f"{what} has an impossible shape", where, list(shape))
        n_elements = min(n_elements * min(n, MAX_ELEMENTS + 1), MAX_ELEMENTS + 1)
    if 0 not in shape and n_elements > MAX_ELEMENTS:
        raise fail(f"{what} is too large", where, f"shape {brief(list(shape))}",
                   f"at most {MAX_ELEMENTS} elements")
    return 0 if 0 in shape else n_elements

