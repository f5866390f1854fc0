"""What README and docs/ promise: links lead somewhere, files are there, commands run."""
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.parse

import convert_files as cf
import openmm
import pytest
from conftest import DATA, EXAMPLES, ROOT
from openmmmlff import cli
from openmmmlff.convert import cache, download
from safetensors.numpy import save_file

SKIPPED_FOLDERS = {".venv", "build", "demo-output", ".git", ".pytest_cache"}
PAGES = sorted(page for page in ROOT.rglob("*.md")
               if not SKIPPED_FOLDERS & set(page.relative_to(ROOT).parts))
# whose commands are run
COMMAND_PAGES = [ROOT/"README.md", *sorted(ROOT.glob("docs/**/*.md"))]
ROOMS = ("benchmarks", "cmake", "docs", "engine", "examples", "models", "openmmapi", "platforms",
         "serialization", "tests", "tools", "wrappers")


def name(page):
    return str(page.relative_to(ROOT))


# ------------------------------------------------------------------ links
def prose(page):
    """The text without blocks of code and without code inside lines."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page):
    """The anchors that GitHub gives the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *#*$", text, re.M):
        slug = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        number, unique = 0, slug
        while unique in found:
            number += 1
            unique = f"{slug}-{number}"
        found.add(unique)
    return found


def broken(page, target):
    """Why a link of a page leads nowhere; "" if it leads somewhere."""
    if re.match(r"[a-z]+:", target):
        return "" if re.match(r"(https?://[^ ]+\.[^ ]+|mailto:[^ ]+@)", target) else "no address"
    path, _, anchor = urllib.parse.unquote(target).partition("#")
    file = page if not path else (page.parent/path)
    if not file.exists():
        return "there is no such file"
    if anchor and anchor not in anchors(file):
        return f"{file.name} has no heading #{anchor}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links(page):
    targets = re.findall(r"\]\(([^)\s]+)(?: [^)]*)?\)", prose(page))
    wrong = {target: broken(page, target) for target in targets}
    assert not {target: why for target, why in wrong.items() if why}


def test_links_that_lead_nowhere_are_found():
    page = ROOT/"README.md"
    assert broken(page, "docs/model-file.md#4-aimnet2") == broken(page, "examples") == ""
    assert broken(page, "docs/no-such-page.md") and broken(page, "docs/model-file.md#no-such")
    assert broken(page, "#no-such-heading") and broken(page, "http:x")


# the changelog tells of files as they were
@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CHANGELOG.md"], ids=name)
def test_files_that_are_named(page):
    """Paths of the repository, in code or not, from its root."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(rf"(?<![\w/.<-])((?:{'|'.join(ROOMS)})/[\w./-]*[\w/])", text)
    for path in sorted(set(paths)):
        # examples of names may end in a pattern or be made by the user
        if not (ROOT/path).exists() and not list(ROOT.glob(path + "*")):
            assert (page.parent/path).exists(), path


def test_the_script_of_the_readme():
    """Every block of Python is one of the examples, which test_examples.py runs."""
    examples = [file.read_text(encoding="utf-8") for file in EXAMPLES.glob("*.py")]
    for page in COMMAND_PAGES:
        for block in re.findall(r"^```python\n(.*?)^```", page.read_text(encoding="utf-8"),
                                re.M | re.S):
            assert block in examples, f"{name(page)}: no example is\n{block}"


# ------------------------------------------------------------------ commands
def commands(page):
    """The commands in a page's blocks of code, without the remarks after #."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"^```\w*\n(.*?)^```", text, re.M | re.S)
    blocks += re.findall(r"((?:^    .*\n)+)", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S),
                         re.M)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = [re.sub(r"\s+", " ", line.split(" #")[0]).strip() for line in lines]
    return [line for line in found
            if re.match(r"(openmm-mlff|make|pip|python|nsys|ncu|export|gcc|build/|\.venv/)", line)]


ALL = sorted({command for page in COMMAND_PAGES for command in commands(page)})

# Not run by this file, and why.
ELSEWHERE = {
    "make demo": "test_examples.py runs what it runs",
    "make test": "runs this file",
    "pip install torch matplotlib": "installs, and torch is large",
    "export MLFF_PLUGINS=$PWD/build/release/plugins MLFF_TEST_DATA=$PWD/tests/data "
    "MLFF_MODELS=$PWD/models": "for a card",
    "export MLFF_CUDA_PLATFORM=<OpenMM's plugins>/libOpenMMCUDA.so "
    "OPENMM_PLUGINS=<OpenMM's plugins>": "for a card",
    "build/release/tests/cuda/cuda_steps 2000 single painn aimnet2": "needs a card",
    "nsys profile --stats true --cuda-graph-trace node -o step "
    "build/release/tests/cuda/cuda_steps 200 single painn": "needs a card",
    "ncu --set full --kernel-name regex:mlff --launch-skip 100 --launch-count 40 -o kernels "
    "build/release/tests/cuda/cuda_steps 20 single painn-large": "needs a card",
    "ncu --import kernels.ncu-rep --page details": "needs a card",
}

# Placeholders of the pages.
STAND_INS = {"SOURCE": ["best_model", "--energy-unit", "eV", "--elements", "H C N O"],
             "OUT.safetensors": ["out.safetensors"]}


def asRun(command):
    """The words that are run: a platform that every machine has, benchmarks in small."""
    words = [word for given in shlex.split(command)[1:] for word in STAND_INS.get(given, [given])]
    words = ["CPU" if word == "CUDA" else word for word in words]
    if words[0] == "compare" and "--platforms" not in words:
        words += ["--platforms", "Reference", "CPU"]
    if words[0] == "compare" and "--precisions" in words:     # the CPU platform has no choice
        del words[words.index("--precisions"):][:2]
    if words[0] == "benchmark":
        words += ["--quick", "--models", "painn-hcno", "--threads", "1", "--no-torch"]
        words += ["--max-atoms", "12"] if "--sweep" in words else ["--sizes", "12", "--no-mixed"]
    return words


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder as after a clone, with a source for `convert`, and small models that stand for the
    published ones in the cache: `get` then has nothing to download."""
    folder = tmp_path_factory.mktemp("work")
    for room in ("examples", "models"):
        (folder/room).symlink_to(ROOT/room)
    elements = {"n_z": 9}
    cf.write_torch(folder/"best_model", cf.schnetpack_model(cf.painn_arrays(**elements)))
    (folder/"out.safetensors").write_bytes((DATA/"painn"/"poly5-7x2.safetensors").read_bytes())
    tensors, metadata = cf.read_model(DATA/"aimnet2"/"published-4x4.safetensors")
    settings = json.loads(metadata["architecture"])
    for model, entry in download.REGISTRY.items():
        assert entry.n_members == 4
        for member, path in enumerate(download._member_paths(model, folder/"cache")):
            path.parent.mkdir(parents=True, exist_ok=True)
            settings.update(variant=model, member=member)
            save_file(tensors, path, {**metadata, "architecture": json.dumps(settings)})
    cache.d3_table_path(folder/"cache").touch()
    return folder


@pytest.mark.parametrize("command", [c for c in ALL if c not in ELSEWHERE])
def test_command(command, workplace):
    assert command.startswith("openmm-mlff "), "a command that no test runs: run it here, or say " \
        "in ELSEWHERE who does"
    environment = {**os.environ, "OPENMMMLFF_CACHE": str(workplace/"cache"),
                   "https_proxy": "http://127.0.0.1:9"}
    environment.pop("MLFF_SHARED", None)
    done = subprocess.run([sys.executable, "-m", "openmmmlff", *asRun(command)], cwd=workplace,
                          env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert done.stdout or "--json" in command


def test_no_exception_is_stale():
    assert set(ELSEWHERE) <= set(ALL)


def options():
    """{sub-command: its options}"""
    parsers = next(action.choices for action in cli._parser()._actions if action.choices)
    return {command: {option for action in parser._actions for option in action.option_strings}
            for command, parser in parsers.items()}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_inside_lines(page):
    """Their sub-commands and options exist."""
    text = re.sub(r"\s+", " ", page.read_text(encoding="utf-8"))
    for inline in re.findall(r"`openmm-mlff ([^`]*)`", text):
        command, *words = shlex.split(inline)
        assert {word for word in words if word.startswith("--")} <= options()[command], inline


def test_the_files_of_the_examples():
    """Small, and what the pages say of them."""
    sizes = {file.name: file.stat().st_size for file in EXAMPLES.iterdir() if file.is_file()}
    assert all(size < 50000 for size in sizes.values()), sizes
    text = (EXAMPLES/"system.xml").read_text(encoding="utf-8")
    system = openmm.XmlSerializer.deserialize(text)
    atoms = openmm.app.PDBFile(str(EXAMPLES/"alanine_dipeptide.pdb")).topology.getNumAtoms()
    assert system.getNumParticles() == atoms and str(ROOT) not in text
