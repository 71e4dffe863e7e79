#pragma once
#include <optional>
#include <utility>

namespace litert {
struct Fault {};
template <typename T>
class Expected {
 public:
  Expected(T value) : value_(std::move(value)) {}
  Expected(Fault) {}
  bool HasValue() const { return value_.has_value(); }
  T& Value() { return *value_; }
  Fault Error() const { return {}; }

 private:
  std::optional<T> value_;
};
template <>
class Expected<void> {
 public:
  Expected() {}
  Expected(Fault) {}
  bool HasValue() const { return true; }
  Fault Error() const { return {}; }
};
}  // namespace litert
