#ifndef OPENMM_MLFFSETTINGS_H_
#define OPENMM_MLFFSETTINGS_H_

#include "MLFFForce.h"
#include "mlff.h"
#include "openmm/OpenMMException.h"
#include "openmm/internal/ContextImpl.h"
#include <cmath>
#include <string>

namespace OpenMM {

static_assert((int) MLFFForce::Default == MLFF_COULOMB_DEFAULT &&
              (int) MLFFForce::NoCoulomb == MLFF_COULOMB_NONE &&
              (int) MLFFForce::Simple == MLFF_COULOMB_SIMPLE &&
              (int) MLFFForce::DSF == MLFF_COULOMB_DSF &&
              (int) MLFFForce::Ewald == MLFF_COULOMB_EWALD &&
              (int) MLFFForce::PME == MLFF_COULOMB_PME, "MLFFForce and engine count differently");

/**
 * What a force chooses beyond the model, as the engine wants it: angstrom, no threads.
 */
inline mlff_settings readMLFFSettings(const MLFFForce& force) {
    const double angstromPerNm = 10.0;
    mlff_settings settings = {};
    settings.coulomb = static_cast<mlff_coulomb>(force.getCoulombMethod());
    settings.coulomb_cutoff = angstromPerNm*force.getCoulombCutoff();
    settings.coulomb_alpha = force.getCoulombAlpha()/angstromPerNm;
    settings.ewald_tolerance = force.getEwaldErrorTolerance();
    settings.dispersion = force.getUseDispersion() ? 0 : -1;
    settings.dispersion_cutoff = angstromPerNm*force.getDispersionCutoff();
    return settings;
}

/**
 * The value of a scale parameter in a Context; 1 where the force has none (an empty name).
 */
inline double readMLFFScale(ContextImpl& context, const std::string& parameter) {
    const double lambda = parameter.empty() ? 1 : context.getParameter(parameter);
    if (!std::isfinite(lambda))
        throw OpenMMException("MLFFForce: the scale parameter '" + parameter + "' is " +
                              std::to_string(lambda) + ": expected a finite number");
    return lambda;
}

} // namespace OpenMM

#endif /*OPENMM_MLFFSETTINGS_H_*/
