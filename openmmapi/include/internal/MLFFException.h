#ifndef OPENMM_MLFFEXCEPTION_H_
#define OPENMM_MLFFEXCEPTION_H_

#include "mlff.h"
#include "openmm/OpenMMException.h"
#include <string>

namespace OpenMM {

/**
 * Turn what the engine reports into an OpenMMException.  Everything that calls the engine from C++
 * comes through here.
 *
 * @param status    what the engine function returned
 * @param err       the error it filled in
 * @param where     what was being done, to put before the engine's sentence; may be empty
 */
inline void checkMLFFStatus(mlff_status status, const mlff_error& err,
                            const std::string& where = "") {
    if (status == MLFF_OK)
        return;
    throw OpenMMException("MLFFForce: " + where + (where.empty() ? "" : ": ") + err.message);
}

} // namespace OpenMM

#endif /*OPENMM_MLFFEXCEPTION_H_*/
