# LibTorch as one target, `libtorch`.
#
# LibTorch's own package file refuses a CUDA build of LibTorch on a machine without nvcc, although its CPU half works
# there. So the libraries are named here. Searched: CMAKE_PREFIX_PATH (a LibTorch folder, its share/cmake, or the
# `torch` folder of a Python installation), then what scripts/setup.sh installed.
if(DEFINED ENV{XDG_CACHE_HOME})
  set(cache_home $ENV{XDG_CACHE_HOME})
else()
  set(cache_home $ENV{HOME}/.cache)
endif()
set(SPARSE_TRANSFORMER_TORCH_VERSION 2.11.0)
if(SPARSE_TRANSFORMER_CUDA)
  set(torch_flavours cuda)
else()
  set(torch_flavours cpu cuda)
endif()
set(torch_hints)
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND torch_hints ${prefix} ${prefix}/../.. ${prefix}/torch)
endforeach()
foreach(flavour IN LISTS torch_flavours)
  list(APPEND torch_hints
       ${cache_home}/sparse-transformer/libtorch-${SPARSE_TRANSFORMER_TORCH_VERSION}-${flavour}/torch)
endforeach()

find_path(LIBTORCH_INCLUDE_DIR ATen/ATen.h HINTS ${torch_hints} PATH_SUFFIXES include)
if(NOT LIBTORCH_INCLUDE_DIR)
  message(FATAL_ERROR "LibTorch was not found. Run scripts/setup.sh, or name a LibTorch "
                      "${SPARSE_TRANSFORMER_TORCH_VERSION} folder in CMAKE_PREFIX_PATH.")
endif()
get_filename_component(torch_root ${LIBTORCH_INCLUDE_DIR} DIRECTORY)
message(STATUS "LibTorch: ${torch_root}")

function(add_torch_library name)
  find_library(LIBTORCH_${name}_LIBRARY ${name} HINTS ${torch_root}/lib NO_DEFAULT_PATH REQUIRED)
  add_library(libtorch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(libtorch::${name} PROPERTIES IMPORTED_LOCATION ${LIBTORCH_${name}_LIBRARY})
endfunction()
add_torch_library(c10)
add_torch_library(torch_cpu)

# LibTorch carries headers of a newer fmt, which would shadow the one that the system's spdlog was built with.
find_path(FMT_INCLUDE_DIR fmt/format.h NO_CMAKE_PATH PATHS /usr/include /usr/local/include NO_DEFAULT_PATH)
add_library(libtorch INTERFACE)
if(FMT_INCLUDE_DIR)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/system-fmt)
  file(CREATE_LINK ${FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/system-fmt/fmt SYMBOLIC)
  target_include_directories(libtorch BEFORE INTERFACE ${CMAKE_BINARY_DIR}/system-fmt)
endif()
target_include_directories(libtorch SYSTEM INTERFACE ${LIBTORCH_INCLUDE_DIR}
                                                     ${LIBTORCH_INCLUDE_DIR}/torch/csrc/api/include)
target_link_libraries(libtorch INTERFACE libtorch::torch_cpu libtorch::c10 OpenMP::OpenMP_CXX)
if(SPARSE_TRANSFORMER_CUDA)
  add_torch_library(c10_cuda)
  add_torch_library(torch_cuda)
  # Nothing calls torch_cuda by name: it registers its kernels when it is loaded, so the linker must keep it.
  target_link_libraries(libtorch INTERFACE -Wl,--no-as-needed libtorch::torch_cuda libtorch::c10_cuda -Wl,--as-needed)
else()
  # libtorch_cpu of a CUDA build names libcudart and libcupti, which it finds by its own run path.
  target_link_options(libtorch INTERFACE -Wl,--allow-shlib-undefined)
endif()
