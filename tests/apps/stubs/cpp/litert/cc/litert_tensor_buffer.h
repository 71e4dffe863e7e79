#pragma once
#include "absl/types/span.h"
#include "litert/cc/litert_expected.h"

namespace litert {
class TensorBuffer {
 public:
  TensorBuffer(TensorBuffer&&) = default;
  template <typename T>
  Expected<void> Write(absl::Span<const T> values);
  template <typename T>
  Expected<void> Read(absl::Span<T> values);
};
}  // namespace litert
