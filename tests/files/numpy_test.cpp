#include "files/numpy.h"

#include <gmock/gmock.h>

#include <cstring>

#include "config/errors.h"
#include "tests/files/expect_error.h"
#include "tests/files/numpy_file.h"

namespace sparse_transformer {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

TEST(Numpy, array_is_read_in_place) {
  for (const int version : {1, 2, 3}) {
    const auto file = numpy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }",
                                 {1, 2, 3, 4, 5, 6}, version);
    const NumpyArray array = read_numpy(file, "a.npy");
    EXPECT_TRUE(array.is_uint8());
    EXPECT_THAT(array.shape, ElementsAre(2, 3));
    EXPECT_EQ(array.bytes.size(), 6U);
    EXPECT_EQ(array.bytes.data(), file.data() + file.size() - 6);
    EXPECT_EQ(array.description(), "uint8 [2, 3]");
  }
}

TEST(Numpy, headers_of_other_writers_are_read) {
  for (const char* header : {
           "{\"shape\":(3,),\"descr\":\"|u1\",\"fortran_order\":False}",
           "{'descr': '<u1', 'fortran_order': False, 'shape': (3L,), }",  // Python 2
           " { 'fortran_order' : False , 'descr' : '>u1' , 'shape' : ( 3 , ) , } ",
       }) {
    const auto file = numpy_file(header, {1, 2, 3});
    const NumpyArray array = read_numpy(file, "a.npy");
    EXPECT_TRUE(array.is_uint8()) << header;
    EXPECT_THAT(array.shape, ElementsAre(3)) << header;
  }
}

TEST(Numpy, other_arrays_are_told_apart) {
  const NumpyArray floats = read_numpy(
      numpy_file("{'descr': '<f4', 'fortran_order': False, 'shape': (), }", {1, 2, 3, 4}), "a");
  EXPECT_FALSE(floats.is_uint8());
  EXPECT_THAT(floats.shape, IsEmpty());
  EXPECT_EQ(floats.description(), "<f4 []");
  const NumpyArray fortran = read_numpy(
      numpy_file("{'descr': '|u1', 'fortran_order': True, 'shape': (2, 1), }", {1, 2}), "a");
  EXPECT_FALSE(fortran.is_uint8());
  EXPECT_EQ(fortran.description(), "uint8 [2, 1] in Fortran order");
}

TEST(Numpy, an_array_without_elements_is_one) {
  const auto file =
      numpy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (0, 4000000000), }", {});
  EXPECT_TRUE(read_numpy(file, "a.npy").bytes.empty());
}

TEST(Numpy, every_truncation_is_refused) {
  const auto whole =
      numpy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", {1, 2, 3, 4, 5});
  for (std::size_t size = 0; size < whole.size(); ++size) {
    const auto cut = std::span(whole).first(size);
    EXPECT_THAT(message_of<UserError>([&] { read_numpy(cut, "a.npy"); }), StartsWith("a.npy: "));
  }
  auto longer = whole;
  longer.push_back({});
  EXPECT_THAT(message_of<UserError>([&] { read_numpy(longer, "a.npy"); }),
              HasSubstr("6 bytes of uint8 [5]"));
}

TEST(Numpy, damaged_bytes_never_crash) {
  const auto whole =
      numpy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (5,), }", {1, 2, 3, 4, 5});
  for (std::size_t i = 0; i < whole.size(); ++i) {
    for (int damage = 0; damage < 256; ++damage) {
      auto damaged = whole;
      damaged[i] = static_cast<std::byte>(damage);
      try {
        EXPECT_LE(read_numpy(damaged, "a.npy").bytes.size(), whole.size());
      } catch (const UserError& error) {
        EXPECT_THAT(error.what(), StartsWith("a.npy"));
      }
    }
  }
}

TEST(Numpy, wrong_headers_are_refused) {
  for (const char* header : {
           "",
           "{}",
           "{'descr': '|u1', 'fortran_order': False}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3,), 'more': 1}",
           "{'descr': '|u1', 'descr': '|u1', 'fortran_order': False, 'shape': (3,)}",
           "{'descr': [('a', '|u1')], 'fortran_order': False, 'shape': (3,)}",
           "{'descr': '|u1', 'fortran_order': 0, 'shape': (3,)}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': 3}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (-3,)}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3.5,)}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (3,)} more",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999,)}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (4294967296, 4294967296)}",
           "{'descr': '|u1', 'fortran_order': False, 'shape': (1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
           "1,1,1,1,1,1,1,1,1,1,1,1,1,1,3)}",
       }) {
    EXPECT_THAT(message_of<UserError>([&] {
                  read_numpy(numpy_file(header, {1, 2, 3}), "a.npy");
                }),
                AllOf(StartsWith("a.npy: "), HasSubstr("NumPy")))
        << header;
  }
}

TEST(Numpy, a_huge_header_is_refused) {
  auto file = numpy_file("{'descr': '|u1', 'fortran_order': False, 'shape': (1,), }", {1}, 2);
  for (const std::size_t i : {8, 9, 10, 11}) file[i] = std::byte{0xFF};
  EXPECT_THAT(message_of<UserError>([&] { read_numpy(file, "a.npy"); }),
              HasSubstr("4294967295 bytes"));
}

TEST(Numpy, what_is_none_is_named) {
  const std::string text = "label,name\n0,cat\n";
  EXPECT_THAT(message_of<UserError>([&] { read_numpy(std::as_bytes(std::span(text)), "a.csv"); }),
              AllOf(StartsWith("a.csv: not a NumPy file"), HasSubstr(".npy")));
  EXPECT_THAT(message_of<UserError>([&] { read_numpy({}, "a.npy"); }), StartsWith("a.npy: empty"));
}

}  // namespace
}  // namespace sparse_transformer
