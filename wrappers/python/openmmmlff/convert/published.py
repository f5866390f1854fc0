"""Published files that are known by their SHA-256: what their makers say of them."""

_AIMNET2 = {
    "license": "MIT, Copyright (c) 2023 Isayev Lab @ Carnegie Mellon",
    "citation": "Anstine, Zubatyuk, Isayev, AIMNet2, Chem. Sci. 2025, doi:10.1039/D4SC08572H",
}
_STUDENT = {
    "license": "MIT, Copyright (c) 2025 ML Force Field Distillation Team",
    "teacher": "Orb-v2",
    "elements": "H C N O F S Cl (claimed)",
}
_SCHNETPACK = {
    "license": "MIT, Copyright (c) 2018 Kristof Schuett, Michael Gastegger, Pan Kessel, Kim Nicoli "
               "and contributors",
    "energy_unit": "kcal/mol",
    "elements": "H C O",
}

AIMNET2_WB97M_D3_SHA256 = "2e8a700893d08c7f982b78e7372d3cf95a480b5d46116f97122b7f20a03c9d88"
AIMNET2_B973C_SHA256 = "730048052fdb5754faa56c2d60ccaa68b722710b2731470eedca818f1ede56df"

FILES = {
    AIMNET2_WB97M_D3_SHA256: {
        "variant": "wb97m-d3",
        "origin": "AIMNet2 wB97M-D3 ensemble, public release of the Isayev lab "
                  "(isayevlab/AIMNet2, models/aimnet2_wb97m-d3_ens.jpt)",
        **_AIMNET2,
    },
    AIMNET2_B973C_SHA256: {
        "variant": "b973c-d3",
        "origin": "AIMNet2 B97-3c ensemble, public release of the Isayev lab "
                  "(isayevlab/AIMNet2, models/aimnet2_b973c_ens.jpt)",
        **_AIMNET2,
    },
}

_RMD17 = "SchNetPack example (atomistic-machine-learning/schnetpack, " \
         "examples/trained_models/rmd17_ethanol/painn_{}/best_model)"
for _number, _sha256 in enumerate((
        "260f262f4021215dc65edec62c2c3128b910b413e3070024db3b21510ef30b29",
        "06de87b9d4f7c3f5397b9bc97313c437965e696d9c119a803adda5b88db55acc",
        "f9548b43124c214fbda4df57c5a7025497ced4519ea68e3b13c66df9aa3639ae",
        "6625ab13860e10b7ca9aa1dd4687b62495966ccf11f5373e599d3e85d8a041ed",
        "deb03499bd023c4695615336fa7199f96e9de665a27bbee500f8788126ccb148"), 1):
    FILES[_sha256] = {"origin": _RMD17.format(_number), **_SCHNETPACK}
FILES["1a3670cc5e3773cc90d97d6432efff9b3409f25365e11e7131c27f45fc52e165"] = {
    "origin": "SchNetPack example (atomistic-machine-learning/schnetpack, "
              "interfaces/lammps/examples/aspirin/best_model)", **_SCHNETPACK}

for _name, _sha256 in (
        ("benchmarks/original_model.onnx",
         "6c12671b42c1ff1966cfee9c955ef72e5cfd5643cc3d579246aaecb1cce55c82"),
        ("benchmarks/tiny_model.onnx",
         "7fd94e68cc3c994df7e4d2a1b1465bfdfafaa0cda024568e694629be89bdc579"),
        ("benchmarks/ultra_tiny_model.onnx",
         "f52d24679e9a6451521f711d72fe2ec9044114c2b8d2d37f6ec355473d084d71"),
        ("models/original_model.onnx",
         "125e026bbbdb260f88c3e4e61e4d2dce8cc8426cce736e624bd2e8e8c1e7897e"),
        ("models/student_model.onnx",
         "d04b0eecc97a4e4358120c8b68df1a53673b4729c46655ca5a1474da01319674")):
    FILES[_sha256] = {"origin": f"MLFF_Distiller student (atfrank/MLFF-Distiller, {_name})",
                      **_STUDENT}


def known(sha256):
    """What is known of a source file: a dictionary, empty for a file never seen."""
    return FILES.get(sha256, {})
