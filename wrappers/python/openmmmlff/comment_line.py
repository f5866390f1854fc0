"""Comment lines of extended XYZ files: text with key=value where wanted.

The rules are the format's (https://github.com/libAtoms/extxyz) as ASE applies them:

- a value ends at white space; "...", '...', {...} and [...] hold white space and "=", and brackets
  nest; a backslash takes the special meaning from the next character
- white space may be around "="
- a word without "=" is text
"""
import re

_CLOSING = {'"': '"', "'": "'", "{": "}", "[": "]"}
_SPACE = re.compile(r"\s+")
_PLAIN = re.compile(r"""[^\s=\\"'{\[]+""")
_INSIDE = {opening: re.compile(rf"[^\\{re.escape(opening + closing)}]+")
           for opening, closing in _CLOSING.items()}
_OTHERS = re.compile("[^a-z0-9]+")
_WORD_BEFORE = re.compile(r"""[^\s=,;"'{}\[\]\\]+\s*\Z""")


class Item:
    """A word (value is None) or a key=value of a comment line.

    key and value are without their quotes or outer brackets; name is plain(key).
    """
    __slots__ = ("key", "value", "name")

    def __init__(self, key, value=None):
        self.key, self.value, self.name = key, value, plain(key)


def plain(name):
    """A name without case and without what is no ASCII letter or digit; its first characters."""
    name = name[:80].lower()
    return name if name.isalnum() and name.isascii() else _OTHERS.sub("", name)


def parse(line):
    """Split a comment line: (items in their order, doubts).

    doubts are words with "=" after them of which other programs, or the writer, may think
    otherwise: parts of a text after a quote that never closes or begins within a word (an
    apostrophe), after a key without a value, after a backslash.
    """
    scanner = _Scanner(line.strip())
    return scanner.items, scanner.doubts


class _Scanner:
    """The work is linear in the length of the line."""

    def __init__(self, line):
        self.line, self.items, self.doubts = line, [], []
        self._begin()
        position = 0
        while position < len(line):
            char = line[position]
            if char.isspace():
                position = self._space(position)
            elif char == "=":
                self._equals()
                position += 1
            elif char == "\\":
                self.escaped |= line[position + 1:position + 2].isspace()
                self.parts[-1].append(line[position + 1:position + 2])
                position += 2
            elif char in _CLOSING:
                position = self._quoted(position)
            else:
                match = _PLAIN.match(line, position)
                self.parts[-1].append(match.group())
                position = match.end()
        self._end()

    def _begin(self):
        self.parts = [[]]       # fragments of the key, then of the value, which "=" divides
        self.gap = False        # whether white space is before the value
        self.escaped = False    # whether a backslash has kept white space

    def _end(self):
        """End the word or key=value that has been collected, if there is one."""
        texts = ["".join(part) for part in self.parts]
        if len(texts) > 1:
            self.items.append(Item(texts[0], "=".join(texts[1:])))
        elif texts[0]:
            self.items.append(Item(texts[0]))
        self._begin()

    def _space(self, position):
        end = _SPACE.match(self.line, position).end()
        if not self.parts[-1]:
            self.gap = len(self.parts) > 1
        elif len(self.parts) > 1 or self.line[end:end + 1] != "=":
            self._end()
        return end

    def _equals(self):
        if len(self.parts) == 2 and self.gap and self.parts[1]:
            # "a= b=c": a has no value. Other readers take "b=c" for it.
            key = self.parts.pop()
            self.parts.append([])
            self._end()
            self.parts = [key]
            self.doubts.append("".join(key))
        elif len(self.parts) > 1 and self.escaped:
            self._doubt("".join(self.parts[-1]) + "=")
        self.parts.append([])

    def _quoted(self, position):
        """Collect what is between quotes or brackets; returns the position after them."""
        line, start = self.line, position
        opening = line[position]
        closing, nests = _CLOSING[opening], opening in "[{"
        fragments, depth = self.parts[-1], 1
        inWord = bool(fragments)
        fragments.append("")    # an empty text is a value, too
        position += 1
        while position < len(line):
            char = line[position]
            if char == "\\":
                fragments.append(line[position + 1:position + 2])
                position += 2
            elif char == closing and depth == 1:
                if inWord:
                    self._doubt(line[start:position])
                return position + 1
            elif char == closing or (nests and char == opening):
                depth += -1 if char == closing else 1
                fragments.append(char)
                position += 1
            else:
                match = _INSIDE[opening].match(line, position)
                fragments.append(match.group())
                position = match.end()
        self._doubt(line[start:])
        if len(self.parts) > 1:
            self.doubts.append("".join(self.parts[0]))
        return position

    def _doubt(self, text):
        """Note the words of a text that "=" follows."""
        for match in re.finditer("=+", text):
            word = _WORD_BEFORE.search(text, max(0, match.start() - 100), match.start())
            if word:
                self.doubts.append(word.group().rstrip())
