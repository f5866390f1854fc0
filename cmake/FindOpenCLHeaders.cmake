# Finds OpenCL's headers and its loader library, to build with.
#
#   in   OPENCL_HEADERS_DIR     the folder of CL/opencl.h, with OPENCL_LOADER_LIBRARY; or
#                               Python3_EXECUTABLE, in whose packages the wheel nvidia-cuda-opencl
#                               (0.13 MB) is looked for; or what find_package(OpenCL) finds
#   out  OpenCL::Loader         headers and library
#        OpenCLHeaders_FOUND, OPENCL_HEADERS_DIR, OPENCL_LOADER_LIBRARY
#
# A program finds the machine's own loader, libOpenCL.so.1, when it runs.
if(NOT OPENCL_HEADERS_DIR AND Python3_EXECUTABLE)
    execute_process(
        COMMAND ${Python3_EXECUTABLE} -c "
import glob, importlib.util, os
spec = importlib.util.find_spec('nvidia')
for place in spec.submodule_search_locations if spec else ():
    print(*glob.glob(os.path.join(place, '*')), sep=';', end=';')
"
        OUTPUT_VARIABLE opencl_wheel_folders ERROR_QUIET)
    foreach(folder ${opencl_wheel_folders})
        if(EXISTS ${folder}/include/CL/opencl.h AND EXISTS ${folder}/lib/libOpenCL.so.1)
            set(OPENCL_HEADERS_DIR ${folder}/include CACHE PATH "OpenCL: the folder of CL/opencl.h")
            set(OPENCL_LOADER_LIBRARY ${folder}/lib/libOpenCL.so.1 CACHE FILEPATH
                "OpenCL: the loader library to link with")
            break()
        endif()
    endforeach()
endif()
if(NOT OPENCL_HEADERS_DIR)
    find_package(OpenCL QUIET)
    if(OpenCL_FOUND)
        list(GET OpenCL_INCLUDE_DIRS 0 opencl_folder)
        set(OPENCL_HEADERS_DIR ${opencl_folder} CACHE PATH "OpenCL: the folder of CL/opencl.h")
        set(OPENCL_LOADER_LIBRARY ${OpenCL_LIBRARIES} CACHE FILEPATH
            "OpenCL: the loader library to link with")
    endif()
endif()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(OpenCLHeaders
    REQUIRED_VARS OPENCL_HEADERS_DIR OPENCL_LOADER_LIBRARY)

if(OpenCLHeaders_FOUND AND NOT TARGET OpenCL::Loader)
    add_library(OpenCL::Loader SHARED IMPORTED GLOBAL)
    set_target_properties(OpenCL::Loader PROPERTIES
        IMPORTED_LOCATION ${OPENCL_LOADER_LIBRARY}
        INTERFACE_SYSTEM_INCLUDE_DIRECTORIES ${OPENCL_HEADERS_DIR}
        INTERFACE_INCLUDE_DIRECTORIES ${OPENCL_HEADERS_DIR})
endif()
mark_as_advanced(OPENCL_HEADERS_DIR OPENCL_LOADER_LIBRARY)
