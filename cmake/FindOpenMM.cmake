# Finds OpenMM through the active Python, without importing it.
#
#   in   OPENMM_DIR      a prefix with include/ and lib/; or Python3_EXECUTABLE, whose `openmm`
#                        package is looked up in the layouts of the wheel and of conda
#   out  OpenMM::OpenMM  the library and its headers
#        OPENMM_DIR, OpenMM_VERSION
if(NOT OPENMM_DIR)
    find_package(Python3 REQUIRED COMPONENTS Interpreter)
    execute_process(
        COMMAND ${Python3_EXECUTABLE} -c "
import importlib.util, os, sys
spec = importlib.util.find_spec('openmm')
if spec is None:
    sys.exit(1)
site = os.path.dirname(os.path.dirname(os.path.abspath(spec.origin)))
for prefix in (os.path.join(site, 'OpenMM.libs'), sys.prefix):
    if os.path.exists(os.path.join(prefix, 'include', 'OpenMM.h')):
        print(prefix, end='')
        break
"
        OUTPUT_VARIABLE openmm_prefix RESULT_VARIABLE openmm_missing)
    if(openmm_missing OR NOT openmm_prefix)
        message(FATAL_ERROR "OpenMM with its headers was not found by ${Python3_EXECUTABLE}.\n"
            "Install it there (pip install openmm) or give -DOPENMM_DIR=<prefix>.")
    endif()
    set(OPENMM_DIR "${openmm_prefix}" CACHE PATH "OpenMM: prefix with include/ and lib/")
endif()

find_path(OpenMM_INCLUDE_DIR OpenMM.h PATHS ${OPENMM_DIR}/include NO_DEFAULT_PATH)
find_library(OpenMM_LIBRARY OpenMM PATHS ${OPENMM_DIR}/lib NO_DEFAULT_PATH)
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenMM REQUIRED_VARS OpenMM_LIBRARY OpenMM_INCLUDE_DIR)

if(OpenMM_FOUND AND NOT TARGET OpenMM::OpenMM)
    add_library(OpenMM::OpenMM SHARED IMPORTED)
    set_target_properties(OpenMM::OpenMM PROPERTIES
        IMPORTED_LOCATION ${OpenMM_LIBRARY}
        INTERFACE_INCLUDE_DIRECTORIES ${OpenMM_INCLUDE_DIR})
endif()
mark_as_advanced(OpenMM_INCLUDE_DIR OpenMM_LIBRARY)
