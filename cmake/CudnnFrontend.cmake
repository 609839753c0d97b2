# The front end of cuDNN's graphs, headers alone, and cuDNN's own header, which comes with LibTorch. Searched:
# CMAKE_PREFIX_PATH, then what scripts/setup.sh installed. The kernels for cuDNN are left out where it is not found.
set(SPARSE_TRANSFORMER_CUDNN_FRONTEND_VERSION 1.32.0)
if(NOT CMAKE_CUDA_COMPILER)
  return()
endif()
find_path(CUDNN_FRONTEND_INCLUDE_DIR cudnn_frontend.h HINTS
          ${cache_home}/sparse-transformer/cudnn-frontend-${SPARSE_TRANSFORMER_CUDNN_FRONTEND_VERSION}/include)
find_path(CUDNN_INCLUDE_DIR cudnn.h HINTS ${torch_root}/../nvidia/cudnn/include)
find_path(NVRTC_INCLUDE_DIR nvrtc.h HINTS ${CMAKE_CUDA_TOOLKIT_INCLUDE_DIRECTORIES})  # the front end includes it
if(CUDNN_FRONTEND_INCLUDE_DIR AND CUDNN_INCLUDE_DIR AND NVRTC_INCLUDE_DIR)
  set(SPARSE_TRANSFORMER_CUDNN ON)
else()
  message(STATUS "No headers of cuDNN's front end: attention on the GPU without cuDNN")
endif()
