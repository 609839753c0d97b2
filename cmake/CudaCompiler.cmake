# The CUDA compiler, where there is one; kernels of our own for the GPU are left out where there is not.
find_program(SPARSE_TRANSFORMER_NVCC nvcc HINTS ENV CUDACXX ENV CUDA_HOME ENV CUDA_PATH PATHS /usr/local/cuda
             PATH_SUFFIXES bin DOC "The CUDA compiler")
if(NOT SPARSE_TRANSFORMER_NVCC)
  message(STATUS "No CUDA compiler: attention on the GPU by LibTorch's kernels alone")
  return()
endif()
if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
  set(CMAKE_CUDA_ARCHITECTURES 90 CACHE STRING "Compute capabilities that the kernels are compiled for: 80 or later")
endif()
set(CMAKE_CUDA_COMPILER ${SPARSE_TRANSFORMER_NVCC})
enable_language(CUDA)
