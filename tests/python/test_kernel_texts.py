"""Rules for the texts of the device kernels, read without a device.

RESTRICT promises that nothing else writes what a pointer points to. A compiler may then drop a
store or reuse an old value, and newer compilers do: the pairs of a device were wrong by it. The
promise is kept where no thread writes the memory during the launch, and so the rule is:
  - RESTRICT stands in `GLOBAL const TYPE* RESTRICT name` only: never on local memory, never on what
    the kernel writes;
  - what a function receives as RESTRICT comes from a pointer that is RESTRICT in the caller too,
    so that the promise goes back to a kernel's argument;
  - a kernel that receives one array under two names (SAME_ARRAY of tests/cuda/pretend_cuda.py,
    which the pretend driver completes) writes neither, or neither is RESTRICT.
"""

import ast
import itertools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXTS = sorted([*(ROOT / "platforms/common/kernels").glob("*.cc"),
                *(ROOT / "platforms/cuda/kernels").glob("*.cu")])

POINTER = re.compile(r"(?P<space>GLOBAL|LOCAL_ARG|LOCAL|STATE_ARG|ROOM_ARG)?\s*(?P<const>const\s+)?"
                     r"(?P<type>[\w ]+?)\*\s*(?P<restrict>RESTRICT\s+)?(?P<name>\w+)")
FUNCTION = re.compile(r"\b(KERNEL|DEVICE)\b([^;{}]*?)\b(\w+)\s*\(")


def without_comments(text):
    """Without comments, and without bounds of threads, which look like a function."""
    text = re.sub(r"/\*.*?\*/|//[^\n]*", " ", text, flags=re.S)
    return re.sub(r"\bPAINN_BOUNDS\(\w+\)\s*(?=mlff)", "", text)


def macros_of(text):
    """{name: bodies} of all macros, of every branch; the text without directives, with an @ where
    another branch begins."""
    macros = {}

    def take(match):
        macros.setdefault(match[1], []).append(match[2].replace("\\\n", " "))
        return "\n"

    text = re.sub(r"^\s*#\s*define\s+(\w+)(?:\([^)]*\))?((?:\\\n|[^\n])*)$", take, text, flags=re.M)
    text = re.sub(r"^\s*#\s*(?:else|elif)[^\n]*$", "@", text, flags=re.M)
    return macros, re.sub(r"^\s*#(?:\\\n|[^\n])*$", "", text, flags=re.M)


def closing(text, start):
    """Of the bracket at start, the place of its partner."""
    pairs, depth = {"(": ")", "{": "}"}, 0
    for k in range(start, len(text)):
        depth += (text[k] == text[start])-(text[k] == pairs[text[start]])
        if depth == 0:
            return k
    raise ValueError("no end of "+text[start:start+40])


def split_arguments(text):
    parts, depth = [""], 0
    for c in text:
        depth += (c in "([{")-(c in ")]}")
        if c == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += c
    return [p.strip() for p in parts]


class Function:
    def __init__(self, kind, name, parameters, body):
        self.kind, self.name, self.parameters, self.body = kind, name, parameters, body
        self.pointers = {}      # of parameters: name: match of POINTER
        for parameter in parameters:
            if match := POINTER.match(parameter):
                self.pointers[match["name"]] = match


def functions_of(text, macros):
    """All functions with a body; macros that stand for parameters are replaced."""
    found = []
    for match in FUNCTION.finditer(text):
        start = match.end()-1
        end = closing(text, start)
        brace = re.match(r"\s*\{", text[end+1:])
        if not brace:
            continue
        body = text[end+brace.end():closing(text, end+brace.end())].replace("@", " ")
        parameters = text[start+1:end].replace("@", ",")
        for name, replacement in macros.items():
            if "*" in replacement:
                parameters = re.sub(rf"\b{name}\b", lambda m: replacement, parameters)
        found.append(Function(match[1], match[3],
                              [p for p in split_arguments(parameters) if p], body))
    return found


def base_of(expression):
    """The name at which an argument begins: a of &a[3], of a+5, of (const int*) a."""
    expression = re.sub(r"\(\s*(?:GLOBAL|LOCAL_ARG|const|\w+\s*\*)[^()]*\)", " ", expression)
    match = re.match(r"[\s&(*]*(\w+)", expression)
    return match[1] if match else ""


def kept_promises(function, macros):
    """Names that are RESTRICT in a function: parameters, and pointers set once, from such ones."""
    names = {name for name, p in function.pointers.items() if p["restrict"]}
    body = "\n".join([function.body]+[text for name, text in macros.items()
                                      if re.search(rf"\b{name}\b", function.body)])
    local = re.compile(r"GLOBAL\s+const\s+\w+\*\s*(?:RESTRICT\s+)?(\w+)\s*=\s*([^;]*);")
    for match in local.finditer(body):
        if base_of(match[2]) in names:
            names.add(match[1])
    return names


def calls_of(body, called):
    """(function, arguments) of the calls in a body."""
    for match in re.finditer(r"\b(\w+)\s*\(", body):
        if match[1] in called:
            given = split_arguments(body[match.end():closing(body, match.end()-1)])
            matching = [f for f in called[match[1]] if len(f.parameters) == len(given)]
            assert matching, f"{match[0]}: {len(given)} arguments fit no function of this name"
            for callee in matching:
                yield callee, given


def problems_of(texts):
    """Sentences on what breaks the rule, and all functions; texts: {file: text}."""
    problems, stripped, macros = set(), [], {}
    for file, text in texts.items():
        text = without_comments(text)
        for match in re.finditer(r"\bRESTRICT\b", text):
            line = text[text.rfind("\n", 0, match.start())+1:(text+"\n").find("\n", match.end())]
            if not re.search(r"\bGLOBAL\s+const\s+\w+\*\s+$", text[:match.start()]):
                problems.add(f"{file}: RESTRICT without GLOBAL const: {line.strip()}")
        own, text = macros_of(text)
        stripped.append((file, text))
        for name, bodies in own.items():
            macros.setdefault(name, []).extend(bodies)
    functions = []
    for branch in range(max([1, *map(len, macros.values())])):
        chosen = {name: bodies[min(branch, len(bodies)-1)] for name, bodies in macros.items()}
        read = [(file, f) for file, text in stripped for f in functions_of(text, chosen)]
        problems.update(broken_promises(read, chosen))
        functions += [f for _, f in read]
    return sorted(problems), functions


def broken_promises(functions, macros):
    called = {}
    for _, function in functions:
        called.setdefault(function.name, []).append(function)
    for file, caller in functions:
        promised = kept_promises(caller, macros)
        for callee, given in calls_of(caller.body, called):
            for argument, parameter in zip(given, callee.parameters):
                pointer = POINTER.match(parameter)
                if pointer and pointer["restrict"] and base_of(argument) not in promised:
                    yield (f"{file}: {caller.name}() gives {argument} to {callee.name}() as "
                           f"RESTRICT {pointer['name']}")


def same_arrays():
    """SAME_ARRAY, as it stands in the text: that script wants modules of its folder."""
    tree = ast.parse((ROOT / "tests/cuda/pretend_cuda.py").read_text())
    for node in tree.body:
        if isinstance(node, ast.Assign) and node.targets[0].id == "SAME_ARRAY":
            return ast.literal_eval(node.value)
    raise AssertionError("pretend_cuda.py has no SAME_ARRAY")


@pytest.fixture(scope="module")
def judged():
    return problems_of({p.name: p.read_text() for p in TEXTS})


def test_restrict_where_nothing_writes(judged):
    assert len(TEXTS) > 15
    assert not judged[0], "\n".join(judged[0])


def test_local_memory_is_handed_on_as_local_arg(judged):
    """CUDA's LOCAL is __shared__, which no parameter may have; OpenCL takes both."""
    wrong = [(f.name, p) for f in judged[1] for p in f.parameters if re.search(r"\bLOCAL\b", p)]
    assert not wrong


def test_every_kernel_is_read(judged):
    written = set()
    for path in TEXTS:
        written.update(re.findall(r"^KERNEL\b[^;{]*?\b(mlff\w+)\(", path.read_text(), flags=re.M))
    assert written == {f.name for f in judged[1] if f.kind == "KERNEL"}
    assert len(written) > 30


def test_arrays_under_two_names(judged):
    kernels = {}
    for f in judged[1]:
        if f.kind == "KERNEL":
            kernels.setdefault(f.name, {}).update(f.pointers)
    for kernel, groups in same_arrays().items():
        for names in groups:
            for one, other in itertools.combinations([kernels[kernel][n] for n in names.split()], 2):
                read_only = one["const"] and other["const"]
                assert read_only or not (one["restrict"] or other["restrict"]), (kernel, names)


@pytest.mark.parametrize("text, word", [
    ("DEVICE void f(LOCAL_ARG int* RESTRICT scan) { }", "scan"),
    ("DEVICE void f(LOCAL_ARG const int* RESTRICT scan) { }", "scan"),
    ("DEVICE void f(STATE_ARG const real* RESTRICT s) { }", "s)"),
    ("KERNEL void f(GLOBAL real* RESTRICT out) { }", "out"),
    ("KERNEL void f(real* RESTRICT own) { }", "own"),
    ("#define ARGS GLOBAL int* RESTRICT order\nKERNEL void f(ARGS) { }", "order"),
    ("DEVICE void g(GLOBAL const real* RESTRICT a, GLOBAL real* b) { b[0] = a[0]; }\n"
     "KERNEL void f(GLOBAL real* x) { g(x+1, x); }", "gives x+1"),
    ("DEVICE void g(GLOBAL const real* RESTRICT a) { }\n"
     "KERNEL void f(GLOBAL real* x) { GLOBAL const real* y = &x[3]; g(y); }", "gives y"),
    ("#define ARGS GLOBAL const int* RESTRICT a, int n\nDEVICE void g(ARGS) { }\n"
     "KERNEL void f(GLOBAL int* x) { g((GLOBAL const int*) x, 1); }", "gives (GLOBAL const int*) x"),
])
def test_the_rule_finds(text, word):
    problems, _ = problems_of({"text": text})
    assert len(problems) == 1 and word in problems[0]


def test_the_rule_allows():
    text = ("DEVICE void g(GLOBAL const real* RESTRICT a, LOCAL_ARG real* s) { }\n"
            "KERNEL void f(GLOBAL const real* RESTRICT x, GLOBAL real* y, LOCAL_ARG real* s) {\n"
            "    GLOBAL const real* z = x+3; g(z, s); g(&x[5], s); }")
    assert problems_of({"text": text})[0] == []
