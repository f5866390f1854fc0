"""Stores to shared memory that a compiler dropped.

NVRTC has another optimizer from compute capability 100 on. It drops stores that a wrong promise in
the text allows it to drop (RESTRICT on memory that other threads write: test_kernel_texts.py). How
often a loop is unrolled differs as well, so stores are not counted one by one, but the intervals
between barriers that have any.
"""

import collections
import re

OLD, NEW = "90", ["100", "120"]


def intervals(ptx):
    """{kernel: (intervals between barriers, those with a store to shared memory)} of our kernels."""
    found = {}
    for entry in re.finditer(r"\.entry (mlff\w+)\s*\(", ptx):
        end = ptx.find("\n}\n", entry.end())
        parts = re.split(r"\bbar(?:rier)?\.sync[^;]*;", ptx[entry.end():end])
        found[entry[1]] = len(parts), sum("st.shared" in part for part in parts)
    return found


def of_cases(texts):
    """{(case, kernel): sums of intervals()}; texts: {case: [PTX]}."""
    table = collections.defaultdict(lambda: (0, 0))
    for case, modules in texts.items():
        for ptx in modules:
            for kernel, (barriers, stores) in intervals(ptx).items():
                known = table[case, kernel]
                table[case, kernel] = known[0]+barriers, known[1]+stores
    return table


def problems(old, new, capability):
    """Sentences on kernels of a newer capability; old, new: of_cases()."""
    found = []
    for what, (barriers, stores) in sorted(new.items()):
        if what not in old:
            found.append(f"{what}: not compiled for {OLD}")
        elif barriers != old[what][0] or stores < old[what][1]:
            found.append(f"{what[1]} in {what[0]}: {stores} of {barriers} intervals between barriers "
                         f"store to shared memory at {capability}, {old[what][1]} of {old[what][0]} "
                         f"at {OLD}")
    return found
