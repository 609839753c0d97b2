# The CUDA compiler, where there is one. Where there is none, kernels of our own for the GPU are left out, and so are
# their tests.
find_program(SPARSE_TRANSFORMER_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda
             PATH_SUFFIXES bin DOC "The CUDA compiler")
if(NOT SPARSE_TRANSFORMER_NVCC)
  message(STATUS "No CUDA compiler: no kernels of our own for the GPU, and no tests of them")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90 CACHE STRING "Compute capabilities that the kernels are compiled for: 80 or later")
endif()
set(CMAKE_CUDA_COMPILER ${SPARSE_TRANSFORMER_NVCC})
enable_language(CUDA)
set(cuda_kernel_options --expt-relaxed-constexpr -Xcompiler=-Wall,-Wextra,-Wshadow,-Werror -Werror=all-warnings)
if(SPARSE_TRANSFORMER_CUDA)
  set(SPARSE_TRANSFORMER_CUDA_KERNELS ON)  # in the program
endif()
