#ifndef OPENMM_MLFFSETTINGS_H_
#define OPENMM_MLFFSETTINGS_H_

#include "MLFFForce.h"
#include "mlff.h"

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

} // namespace OpenMM

#endif /*OPENMM_MLFFSETTINGS_H_*/
