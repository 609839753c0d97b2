// All settings of the program.
#pragma once

#include "config/fields.h"
#include "data/data_settings.h"

namespace sparse_transformer {

struct Settings {
  DataSettings data;
  void describe(FieldVisitor& visit) { visit.section("data", data, "what the model learns from"); }
};

}  // namespace sparse_transformer
