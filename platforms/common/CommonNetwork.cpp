#include "CommonNetwork.h"
#include "CommonAIMNet2.h"
#include "CommonPaiNN.h"
#include "openmm/OpenMMException.h"
#include <string>

using namespace OpenMM;

std::unique_ptr<CommonNetwork> OpenMM::createCommonNetwork(CommonDevice& device, CommonAtoms& atoms,
                                                           const mlff_model& model,
                                                           const mlff_settings& settings) {
    const mlff_model_info* info = mlff_model_get_info(&model);
    const std::string architecture = info->architecture;
    if (architecture == "painn")
        return createCommonPaiNN(device, atoms, model, settings);
    if (architecture == "aimnet2")
        return createCommonAIMNet2(device, atoms, model, settings);
    throw OpenMMException("MLFFForce: " + std::string(info->display_name) +
                          " is not available on the GPU platforms: use the platform CPU or "
                          "Reference");
}
