# Finds the headers of CUDA's driver interface. No compiler of CUDA's and no library is needed.
#
#   in   CUDA_HEADERS_DIR   the folder of cuda.h; or CUDA_HOME or CUDA_PATH in the environment; or
#                           Python3_EXECUTABLE, in whose packages the wheels nvidia-cuda-runtime and
#                           nvidia-cuda-crt (2.7 MB) are looked for; or a toolkit in a usual place
#   out  CUDA::Headers      the headers, as system headers
#        CUDAHeaders_FOUND, CUDA_HEADERS_DIR, CUDAHeaders_VERSION
function(cuda_folder_is_complete folder result)
    set(${result} TRUE PARENT_SCOPE)
    foreach(header cuda.h builtin_types.h vector_functions.h crt/host_defines.h)
        if(NOT EXISTS ${folder}/${header})
            set(${result} FALSE PARENT_SCOPE)
        endif()
    endforeach()
endfunction()

if(NOT CUDA_HEADERS_DIR)
    if(Python3_EXECUTABLE)
        execute_process(
            COMMAND ${Python3_EXECUTABLE} -c "
import glob, importlib.util, os
spec = importlib.util.find_spec('nvidia')
for place in spec.submodule_search_locations if spec else ():
    print(*glob.glob(os.path.join(place, '*', 'include')), sep=';', end=';')
"
            OUTPUT_VARIABLE cuda_wheel_folders ERROR_QUIET)
    endif()
    foreach(folder $ENV{CUDA_HOME}/include $ENV{CUDA_PATH}/include ${cuda_wheel_folders}
            /usr/local/cuda/include /opt/cuda/include /usr/include)
        cuda_folder_is_complete(${folder} complete)
        if(complete)
            set(CUDA_HEADERS_DIR ${folder} CACHE PATH "CUDA: the folder of cuda.h")
            break()
        endif()
    endforeach()
endif()

cuda_folder_is_complete("${CUDA_HEADERS_DIR}" cuda_headers_complete)
if(cuda_headers_complete)
    file(STRINGS ${CUDA_HEADERS_DIR}/cuda.h version REGEX "^#define CUDA_VERSION +[0-9]+")
    string(REGEX MATCH "[0-9]+$" version "${version}")
    math(EXPR major "${version}/1000")
    math(EXPR minor "${version}%1000/10")
    set(CUDAHeaders_VERSION ${major}.${minor})
endif()
include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(CUDAHeaders
    REQUIRED_VARS CUDA_HEADERS_DIR cuda_headers_complete VERSION_VAR CUDAHeaders_VERSION)

if(CUDAHeaders_FOUND AND NOT TARGET CUDA::Headers)
    add_library(CUDA::Headers INTERFACE IMPORTED GLOBAL)
    target_include_directories(CUDA::Headers SYSTEM INTERFACE ${CUDA_HEADERS_DIR})
endif()
mark_as_advanced(CUDA_HEADERS_DIR)
