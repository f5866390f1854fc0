#ifndef OPENMM_MLFFPLUGINFAILURES_H_
#define OPENMM_MLFFPLUGINFAILURES_H_

#include "openmm/Platform.h"
#include <string>

namespace OpenMM {

inline bool hasPlatform(const std::string& name) {
    for (int i = 0; i < Platform::getNumPlatforms(); i++)
        if (Platform::getPlatform(i).getName() == name)
            return true;
    return false;
}

/**
 * Whether a text of Platform::getPluginLoadFailures() is about a plugin of ours that could not be
 * loaded although the platform that it belongs to is there.
 */
inline bool isMLFFPluginFailure(const std::string& text) {
    const std::string prefix = "libOpenMMMLFF";
    const size_t begin = text.find(prefix);
    if (begin == std::string::npos)
        return false;
    const size_t name = begin+prefix.size();
    return hasPlatform(text.substr(name, text.find(".so", name)-name));
}

} // namespace OpenMM

#endif /*OPENMM_MLFFPLUGINFAILURES_H_*/
