#ifndef OPENMM_MLFFMODEL_H_
#define OPENMM_MLFFMODEL_H_

#include "mlff.h"
#include <memory>

namespace OpenMM {

/**
 * A share in a model.  Whatever uses a model has one, because forces, Contexts and kernels are
 * destroyed in any order.
 */
typedef std::shared_ptr<const mlff_model> MLFFModelShare;

inline MLFFModelShare shareMLFFModel(const mlff_model& model) {
    return MLFFModelShare(mlff_model_retain(&model), mlff_model_free);
}

} // namespace OpenMM

#endif /*OPENMM_MLFFMODEL_H_*/
