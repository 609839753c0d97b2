// Numbers that are kept in docs/: a table in a Markdown file, a row a name. CI fails where a number
// grows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace sparse_transformer {

class KeptTable {
 public:
  using Numbers = std::vector<std::int64_t>;

  /// Reads the file. `titles` are those of the columns, the first one that of the names.
  KeptTable(std::string path, std::vector<std::string> titles);

  std::vector<std::string> names() const;

  /// Fails the test where a number is more than 2% above the kept one, or where there is no such
  /// row. With the variable `write` in the environment it writes the row instead, among those of
  /// `names`, in their order; the text above the table stays.
  void expect_no_growth(const std::string& name, const Numbers& numbers, const char* write,
                        const std::vector<std::string>& all_names);

 private:
  void add(const std::string& line);
  void write(const std::vector<std::string>& all_names) const;

  std::string path_;
  std::vector<std::string> titles_;
  std::string text_;
  std::map<std::string, Numbers> rows_;
};

}  // namespace sparse_transformer
