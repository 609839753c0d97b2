#include "tests/cuda/ptx/module.h"

#include <algorithm>
#include <utility>

#include "tests/cuda/ptx/decode.h"
#include "tests/cuda/ptx/fault.h"
#include "tests/cuda/ptx/names.h"
#include "tests/cuda/ptx/statement.h"

namespace ptx {
namespace {

const std::string kEntry = ".entry", kShared = ".shared";

std::string without_comments(const std::string& text) {
  std::string result;
  result.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text.compare(i, 2, "//") == 0) i = std::min(text.find('\n', i), text.size() - 1);
    result += text[i];
  }
  return result;
}

/// Where the bracket that opens at `open` closes.
std::size_t closing(const std::string& text, std::size_t open) {
  int depth = 0;
  for (std::size_t i = open; i < text.size(); ++i) {
    if (text[i] == text[open]) ++depth;
    if (text[i] == (text[open] == '{' ? '}' : ')') && --depth == 0) return i;
  }
  throw Unsupported("text that ends within brackets");
}

/// `.align 8 .b8 name[24]`
struct Variable {
  std::string name;
  Type type = {};
  std::uint32_t alignment = 1, count = 1;
  std::uint32_t bytes() const { return count * static_cast<std::uint32_t>(type.bytes()); }
};

Variable parse_variable(const std::vector<std::string>& words) {
  Variable variable;
  std::uint32_t alignment = 0;
  for (std::size_t i = 0; i < words.size(); ++i) {
    if (words[i] == ".align") {
      alignment = static_cast<std::uint32_t>(std::stoul(words.at(++i)));
    } else if (words[i].starts_with('.') && is_type(words[i].substr(1))) {
      variable.type = parse_type(words[i].substr(1));
    } else if (!words[i].starts_with('.')) {
      variable.name = words[i];
    }
  }
  const std::size_t bracket = variable.name.find('[');
  if (bracket != std::string::npos) {
    variable.count = static_cast<std::uint32_t>(std::stoul(variable.name.substr(bracket + 1)));
    variable.name.erase(bracket);
  }
  variable.alignment = std::max(alignment, static_cast<std::uint32_t>(variable.type.bytes()));
  return variable;
}

std::vector<std::string> words_of(std::string text) {
  std::replace(text.begin(), text.end(), '\t', ' ');
  std::replace(text.begin(), text.end(), '\n', ' ');
  return split(text, ' ');
}

/// Reads the text of one entry into a kernel.
class Parser {
 public:
  explicit Parser(Kernel& kernel) : kernel_(kernel), names_(kernel) {}

  /// `text`: from the parameters' bracket on. `shared`: variables that kernels have in common.
  void parse(const std::string& text, const std::vector<std::string>& shared) {
    for (const std::string& declaration : shared) declare_if_used(declaration, text);
    const std::size_t end = closing(text, 0);
    for (const std::string& parameter : split(text.substr(1, end - 1), ',')) {
      const Variable variable = parse_variable(words_of(parameter));
      names_.declare_parameter(variable.name, variable.bytes(), variable.alignment);
    }
    const std::size_t body = text.find('{', end);
    parse_limits(text.substr(end + 1, body - end - 1));
    parse_body(text.substr(body + 1, closing(text, body) - body - 1));
    find_targets();
  }

 private:
  void parse_limits(const std::string& text) {
    const std::vector<std::string> words = words_of(text);
    for (std::size_t i = 0; i + 1 < words.size(); ++i) {
      if (words[i] == ".maxntid") kernel_.most_threads = std::stoi(words[i + 1]);
    }
  }

  void parse_body(const std::string& text) {
    std::string part;
    for (const char c : text) {
      const std::string before = trimmed(part);
      if (c == ';') {
        if (!before.empty()) parse_line(before);
      } else if (c == '{' && before.empty()) {
        names_.open_scope();
      } else if (c == '}' && before.empty()) {
        names_.close_scope();
      } else if (c == ':' && before.starts_with('$')) {
        const bool is_new = labels_.emplace(before, static_cast<int>(kernel_.code.size())).second;
        if (!is_new) throw Unsupported("a second label " + before);
      } else {
        part += c;
        continue;
      }
      part.clear();
    }
    add_exit("the end of the kernel");
  }

  /// A statement or a declaration.
  void parse_line(const std::string& line) {
    try {
      if (line.starts_with('.')) {
        declare(line);
      } else {
        add_instruction(line);
      }
    } catch (const Unsupported& error) {
      throw Unsupported("`" + line + "`: " + error.what());
    }
  }

  void add_instruction(const std::string& line) {
    const Statement statement = parse_statement(line);
    const std::string opcode = statement.opcode();
    if (opcode == "ret" || opcode == "exit") {
      add_exit(line);
      set_guard(statement);
    } else if (opcode == "bra" || opcode == "bra.uni") {
      Instruction instruction;
      instruction.flow = Flow::kBranch;
      instruction.text = line;
      branches_.emplace_back(kernel_.code.size(), statement.operands.at(0));
      kernel_.code.push_back(std::move(instruction));
      set_guard(statement);
    } else {
      kernel_.code.push_back(decode(statement, names_));
    }
  }

  void add_exit(const std::string& text) {
    Instruction instruction;
    instruction.flow = Flow::kExit;
    instruction.text = text;
    kernel_.code.push_back(std::move(instruction));
  }

  void set_guard(const Statement& statement) {
    if (statement.guard.empty()) return;
    kernel_.code.back().guard = names_.target(statement.guard);
    kernel_.code.back().guard_negated = statement.guard_negated;
  }

  void declare(const std::string& line) {
    std::vector<std::string> words = words_of(line);
    const std::string space = words[0];
    words.erase(words.begin());
    if (space == ".reg") return declare_registers(words);
    if (space == ".pragma") return;
    const Variable variable = parse_variable(words);
    if (space == ".shared") {
      names_.declare_shared(variable.name, variable.bytes(), variable.alignment);
    } else if (space == ".local") {
      names_.declare_local(variable.name, variable.bytes(), variable.alignment);
    } else {
      throw Unsupported("unknown declaration");
    }
  }

  /// `.shared .align 16 .b8 memory[]`: without a size, dynamic shared memory.
  void declare_if_used(const std::string& declaration, const std::string& text) {
    const std::string name = words_of(declaration).back();
    const std::size_t bracket = name.find('[');
    if (text.find(name.substr(0, bracket)) == std::string::npos) return;
    if (name.ends_with("[]")) {
      names_.declare_dynamic_shared(name.substr(0, bracket));
    } else {
      parse_line(declaration);
    }
  }

  /// `.b32 %r<10>` or `.b16 low, high`
  void declare_registers(const std::vector<std::string>& words) {
    const Type type = parse_type(words.at(0).substr(1));
    for (std::size_t i = 1; i < words.size(); ++i) {
      for (const std::string& name : split(words[i], ',')) {
        const std::size_t bracket = name.find('<');
        const int count = bracket == std::string::npos ? -1 : std::stoi(name.substr(bracket + 1));
        names_.declare_registers(name.substr(0, bracket), type, count);
      }
    }
  }

  void find_targets() {
    for (const auto& [at, label] : branches_) {
      const auto found = labels_.find(label);
      if (found == labels_.end()) {
        throw Unsupported("`" + kernel_.code[at].text + "`: unknown label " + label);
      }
      kernel_.code[at].target = found->second;
    }
  }

  Kernel& kernel_;
  Names names_;
  std::map<std::string, int> labels_;
  std::vector<std::pair<std::size_t, std::string>> branches_;
};

}  // namespace

Module::Module(const std::string& commented_text) {
  const std::string text = without_comments(commented_text);
  std::size_t done = 0;  // what was read of the text
  for (std::size_t at = text.find(kEntry); at != std::string::npos; at = text.find(kEntry, done)) {
    add_declarations(text.substr(done, at - done));
    const std::size_t parameters = text.find('(', at);
    const std::size_t name = at + kEntry.size();
    done = closing(text, text.find('{', parameters)) + 1;
    entries_[trimmed(text.substr(name, parameters - name))] =
        text.substr(parameters, done - parameters);
  }
}

void Module::add_declarations(const std::string& text) {
  for (const std::string& declaration : split(text, ';')) {
    const std::size_t shared = declaration.find(kShared);
    if (shared != std::string::npos) shared_.push_back(declaration.substr(shared));
  }
}

std::vector<std::string> Module::kernel_names() const {
  std::vector<std::string> names;
  for (const auto& [name, text] : entries_) names.push_back(name);
  return names;
}

const Kernel& Module::kernel(const std::string& name) {
  std::unique_ptr<Kernel>& kernel = kernels_[name];
  if (kernel == nullptr) {
    auto parsed = std::make_unique<Kernel>();
    parsed->name = name;
    try {
      Parser(*parsed).parse(entries_.at(name), shared_);
    } catch (const Unsupported& error) {
      throw Unsupported("kernel " + name + ": " + error.what());
    }
    kernel = std::move(parsed);
  }
  return *kernel;
}

}  // namespace ptx
