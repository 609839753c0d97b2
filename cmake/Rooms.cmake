# A room is a folder of src/: one static library, the sources found by name, its neighbours named once.

add_library(project_options INTERFACE)
target_compile_options(project_options INTERFACE -Wall -Wextra -Wshadow -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overflows in `"text" + std::string` where there are none (GCC bug 105651).
  target_compile_options(project_options INTERFACE -Wno-restrict -Wno-stringop-overflow)
endif()
target_include_directories(project_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
if(SPARSE_TRANSFORMER_SANITIZE)
  target_compile_options(project_options INTERFACE -fsanitize=${SPARSE_TRANSFORMER_SANITIZE}
                                                   -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(project_options INTERFACE -fsanitize=${SPARSE_TRANSFORMER_SANITIZE})
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  # The sloppiness and -fpch-preprocess are what ccache asks for to keep precompiled headers and what is compiled with
  # them; the base folder lets one checkout find what another compiled.
  set(CMAKE_CXX_COMPILER_LAUNCHER
      ${CMAKE_COMMAND} -E env CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
  set(CMAKE_CUDA_COMPILER_LAUNCHER ${CMAKE_CXX_COMPILER_LAUNCHER})
  add_compile_options($<$<CXX_COMPILER_ID:GNU>:-fpch-preprocess>)
endif()

# For X_cuda.cpp alone, so that everything else is compiled alike with and without CUDA.
set(cuda_include_options)
foreach(folder IN LISTS CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES)
  list(APPEND cuda_include_options -isystem${folder})
endforeach()

# add_room(NAME [TORCH] [LINKS target...])
#   TORCH     the room uses LibTorch, whose headers are compiled once for all
#
# What calls kernels of our own on the GPU is in X_cuda.cpp, and X_cuda_absent.cpp stands in for it where there is no
# CUDA compiler.
function(add_room name)
  cmake_parse_arguments(ROOM "TORCH" "" "LINKS" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${name}/*.cpp)
  set(absent ${sources})
  list(FILTER absent INCLUDE REGEX "_cuda_absent\\.cpp$")
  if(NOT SPARSE_TRANSFORMER_CUDA_KERNELS)
    list(TRANSFORM absent REPLACE "_absent\\.cpp$" ".cpp")
  endif()
  if(absent)
    list(REMOVE_ITEM sources ${absent})
  endif()
  if(NOT sources)
    file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp "")
    set(sources ${CMAKE_CURRENT_BINARY_DIR}/empty.cpp)
  endif()
  add_library(${name} STATIC ${sources})
  list(FILTER sources INCLUDE REGEX "_cuda\\.cpp$")
  set_source_files_properties(${sources} PROPERTIES COMPILE_OPTIONS "${cuda_include_options}")
  target_link_libraries(${name} PUBLIC project_options ${ROOM_LINKS})
  if(ROOM_TORCH)
    target_link_libraries(${name} PUBLIC libtorch)
    target_precompile_headers(${name} REUSE_FROM torch_headers)
  endif()
endfunction()
