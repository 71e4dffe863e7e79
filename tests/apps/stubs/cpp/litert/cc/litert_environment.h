#pragma once
#include "litert/cc/litert_expected.h"

namespace litert {
struct EnvironmentOptions {};
class Environment {
 public:
  static Expected<Environment> Create(EnvironmentOptions options);
  Environment(Environment&&) = default;
};
}  // namespace litert
