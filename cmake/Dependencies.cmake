# Every library from outside: taken from the system where it is installed, fetched at a pinned version otherwise.
include(FetchContent)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(ZLIB REQUIRED)
find_package(LibArchive REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(Boost REQUIRED)
pkg_check_modules(CAIRO REQUIRED IMPORTED_TARGET cairo)
pkg_check_modules(DEFLATE REQUIRED IMPORTED_TARGET libdeflate)
pkg_check_modules(SNDFILE REQUIRED IMPORTED_TARGET sndfile)
pkg_check_modules(FLAC REQUIRED IMPORTED_TARGET flac)
pkg_check_modules(MPG123 REQUIRED IMPORTED_TARGET libmpg123)
pkg_check_modules(SOXR REQUIRED IMPORTED_TARGET soxr)
find_path(PROTOZERO_INCLUDE_DIR protozero/pbf_writer.hpp REQUIRED)

FetchContent_Declare(CLI11 URL https://github.com/CLIUtils/CLI11/archive/refs/tags/v2.4.2.tar.gz
                     SYSTEM FIND_PACKAGE_ARGS)
FetchContent_Declare(yaml-cpp URL https://github.com/jbeder/yaml-cpp/archive/refs/tags/0.8.0.tar.gz
                     SYSTEM FIND_PACKAGE_ARGS)
FetchContent_Declare(spdlog URL https://github.com/gabime/spdlog/archive/refs/tags/v1.14.1.tar.gz
                     SYSTEM FIND_PACKAGE_ARGS)
FetchContent_Declare(nlohmann_json URL https://github.com/nlohmann/json/archive/refs/tags/v3.11.3.tar.gz
                     SYSTEM FIND_PACKAGE_ARGS)
FetchContent_MakeAvailable(CLI11 yaml-cpp spdlog nlohmann_json)
if(NOT TARGET yaml-cpp::yaml-cpp)  # yaml-cpp before 0.8 exports its target without a namespace
  add_library(yaml-cpp::yaml-cpp ALIAS yaml-cpp)
endif()
if(SPARSE_TRANSFORMER_TESTS)
  FetchContent_Declare(GTest URL https://github.com/google/googletest/archive/refs/tags/v1.14.0.tar.gz
                       SYSTEM FIND_PACKAGE_ARGS)
  FetchContent_MakeAvailable(GTest)
endif()
if(NOT SPARSE_TRANSFORMER_FUZZ)
  include(LibTorch)
endif()
