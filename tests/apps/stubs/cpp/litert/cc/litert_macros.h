#pragma once
#include <utility>

#define STUB_JOIN_(a, b) a##b
#define STUB_JOIN(a, b) STUB_JOIN_(a, b)
#define LITERT_ASSIGN_OR_RETURN(target, expression)                     \
  auto STUB_JOIN(found_, __LINE__) = (expression);                      \
  if (!STUB_JOIN(found_, __LINE__).HasValue()) {                        \
    return STUB_JOIN(found_, __LINE__).Error();                         \
  }                                                                     \
  target = std::move(STUB_JOIN(found_, __LINE__).Value())
#define LITERT_RETURN_IF_ERROR(expression)                              \
  if (auto status = (expression); !status.HasValue()) {                 \
    return status.Error();                                              \
  }
