"""Random models as large as those that people use: what the kernels are compiled for, and how much
memory an atom takes, depends on their sizes alone.

    python tests/cuda/full_size.py FOLDER

Writes FOLDER/models/<name>.safetensors, what MLFF_SHARED=FOLDER makes the tests find.
"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tools",
                                "golden"))

PAINN = {
    # the form of SchNetPack: 589,057 parameters
    "painn-128x3": dict(
        config=dict(n_features=128, n_layers=3, n_rbf=20, readout=[128, 64, 1]),
        filter_gain=0.4),
    # the MLFF_Distiller student: 427,292 parameters; filters become tables
    "student-128x3": dict(
        config=dict(n_features=128, n_layers=3, n_rbf=20, n_z=101, envelope_on="rbf",
                    filter_layers=2, context=False, update="spatial", norm_eps=0.0, dir_eps=1e-8,
                    readout=[128, 64, 32, 1]),
        basis="narrow", filter_gain=0.4)}

# AIMNet2 as published
AIMNET2 = {
    "aimnet2-16x16": dict(nfeature=16, nshifts=16, ncomb_v=12, aim_size=256,
                          mlp_hidden=[[512, 380], [512, 380], [512, 380, 380]],
                          energy_mlp_hidden=[128, 128])}


def write_models(folder):
    """Nothing where they are already."""
    import aimnet2_cases
    import make_aimnet2_data
    import make_painn_data
    models = os.path.join(folder, "models")
    os.makedirs(models, exist_ok=True)
    small = aimnet2_cases.MODELS["published-4x4"]
    cases = [(name, case, make_painn_data) for name, case in PAINN.items()]
    cases += [(name, dict(small, config={**small["config"], **config}), make_aimnet2_data)
              for name, config in AIMNET2.items()]
    for name, case, maker in cases:
        path = os.path.join(models, f"{name}.safetensors")
        if not os.path.exists(path):
            maker.write_model(f"{path}.part", name, case)
            os.replace(f"{path}.part", path)


if __name__ == "__main__":
    write_models(sys.argv[1])
