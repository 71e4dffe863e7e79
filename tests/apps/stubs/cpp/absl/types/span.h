#pragma once
#include <vector>

namespace absl {
template <typename T>
struct Span {
  T* data;
  unsigned long size;
};
template <typename T>
Span<const T> MakeConstSpan(const std::vector<T>& values) {
  return {values.data(), values.size()};
}
template <typename T>
Span<T> MakeSpan(std::vector<T>& values) {
  return {values.data(), values.size()};
}
}  // namespace absl
