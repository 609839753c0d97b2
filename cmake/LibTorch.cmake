# LibTorch as one target, `libtorch`.
#
# LibTorch's own package file refuses a CUDA build of LibTorch on a machine without nvcc, although its CPU half works
# there. So the libraries are named here. Searched: CMAKE_PREFIX_PATH, the variable of CMake or of the environment (a
# LibTorch folder, its share/cmake, or the Python folder that holds `torch`), then what scripts/setup.sh installed.
set(SPARSE_TRANSFORMER_TORCH_VERSION 2.11.0)

# Remembered in the cache, since a later build may configure again without this environment.
if(DEFINED ENV{CMAKE_PREFIX_PATH} AND NOT CMAKE_PREFIX_PATH)
  file(TO_CMAKE_PATH "$ENV{CMAKE_PREFIX_PATH}" prefix_path)
  set(CMAKE_PREFIX_PATH "${prefix_path}" CACHE STRING "Where libraries are searched first" FORCE)
endif()
if(DEFINED ENV{XDG_CACHE_HOME})
  set(cache_home $ENV{XDG_CACHE_HOME})
else()
  set(cache_home $ENV{HOME}/.cache)
endif()
# The flavour with CUDA first: both have the same headers, and with one folder for all presets the compiler cache finds
# in one what another compiled.
set(torch_flavours cuda)
if(NOT SPARSE_TRANSFORMER_CUDA)
  list(APPEND torch_flavours cpu)
endif()

set(torch_candidates)
foreach(prefix IN LISTS CMAKE_PREFIX_PATH)
  list(APPEND torch_candidates ${prefix} ${prefix}/../.. ${prefix}/torch)
endforeach()
foreach(flavour IN LISTS torch_flavours)
  list(APPEND torch_candidates
       ${cache_home}/sparse-transformer/libtorch-${SPARSE_TRANSFORMER_TORCH_VERSION}-${flavour}/torch)
endforeach()
set(torch_root)
foreach(candidate IN LISTS torch_candidates)
  if(EXISTS ${candidate}/include/ATen/ATen.h)
    get_filename_component(torch_root ${candidate} ABSOLUTE)
    break()
  endif()
endforeach()
if(NOT torch_root)
  message(FATAL_ERROR "LibTorch was not found. Run scripts/setup.sh, or name a LibTorch "
                      "${SPARSE_TRANSFORMER_TORCH_VERSION} folder in CMAKE_PREFIX_PATH.")
endif()

# The number stands in headeronly/version.h, in LibTorch before 2.9 in version.h.
set(torch_version)
foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS ${torch_root}/include/${header} AND NOT torch_version)
    file(READ ${torch_root}/include/${header} text)
    if(text MATCHES "VERSION_MAJOR ([0-9]+).*VERSION_MINOR ([0-9]+).*VERSION_PATCH ([0-9]+)")
      set(torch_version ${CMAKE_MATCH_1}.${CMAKE_MATCH_2}.${CMAKE_MATCH_3})
    endif()
  endif()
endforeach()
if(NOT torch_version STREQUAL SPARSE_TRANSFORMER_TORCH_VERSION)
  message(FATAL_ERROR "${torch_root} is LibTorch ${torch_version}; needed is ${SPARSE_TRANSFORMER_TORCH_VERSION}. "
                      "Name another in CMAKE_PREFIX_PATH, or leave it out and run scripts/setup.sh.")
endif()
message(STATUS "LibTorch ${torch_version}: ${torch_root}")

function(add_torch_library name)
  set(file ${torch_root}/lib/lib${name}.so)
  if(NOT EXISTS ${file})
    message(FATAL_ERROR "${torch_root} has no lib${name}.so: a LibTorch of another kind (without CUDA?). "
                        "Name another in CMAKE_PREFIX_PATH, or leave it out and run scripts/setup.sh.")
  endif()
  add_library(libtorch::${name} SHARED IMPORTED GLOBAL)
  set_target_properties(libtorch::${name} PROPERTIES IMPORTED_LOCATION ${file})
endfunction()
add_torch_library(c10)
add_torch_library(torch_cpu)

# A library built with _GLIBCXX_USE_CXX11_ABI=0 compiles and then does not link: its std::string has another name.
file(STRINGS ${torch_root}/lib/libc10.so cxx11_symbols REGEX "^_ZN3c10.*__cxx11" LIMIT_COUNT 1)
if(NOT cxx11_symbols)
  message(FATAL_ERROR "${torch_root} was built with the C++ library's old ABI (_GLIBCXX_USE_CXX11_ABI=0); "
                      "needed is one of the new ABI, as every LibTorch since 2.8 is.")
endif()

# LibTorch carries headers of a newer fmt, which would shadow the one that the system's spdlog was built with.
find_path(FMT_INCLUDE_DIR fmt/format.h NO_CMAKE_PATH PATHS /usr/include /usr/local/include NO_DEFAULT_PATH)
add_library(libtorch INTERFACE)
if(FMT_INCLUDE_DIR)
  file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/system-fmt)
  file(CREATE_LINK ${FMT_INCLUDE_DIR}/fmt ${CMAKE_BINARY_DIR}/system-fmt/fmt SYMBOLIC)
  target_include_directories(libtorch BEFORE INTERFACE ${CMAKE_BINARY_DIR}/system-fmt)
endif()
target_include_directories(libtorch SYSTEM INTERFACE ${torch_root}/include
                                                     ${torch_root}/include/torch/csrc/api/include)
target_link_libraries(libtorch INTERFACE libtorch::torch_cpu libtorch::c10)
# The flag instead of OpenMP::OpenMP_CXX: the program then takes LibTorch's own libgomp, one for both.
target_compile_options(libtorch INTERFACE ${OpenMP_CXX_FLAGS})
target_link_options(libtorch INTERFACE ${OpenMP_CXX_FLAGS})
if(SPARSE_TRANSFORMER_CUDA)
  add_torch_library(c10_cuda)
  add_torch_library(torch_cuda)
  # Nothing calls torch_cuda by name: it registers its kernels when it is loaded, so the linker must keep it.
  target_link_libraries(libtorch INTERFACE -Wl,--no-as-needed libtorch::torch_cuda libtorch::c10_cuda -Wl,--as-needed)
else()
  # libtorch_cpu of a CUDA build names libcudart and libcupti, which it finds by its own run path.
  target_link_options(libtorch INTERFACE -Wl,--allow-shlib-undefined)
endif()
