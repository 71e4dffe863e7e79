#pragma once
#include <string>
#include <vector>

#include "litert/cc/litert_common.h"
#include "litert/cc/litert_environment.h"
#include "litert/cc/litert_expected.h"
#include "litert/cc/litert_tensor_buffer.h"

namespace litert {
class CompiledModel {
 public:
  static Expected<CompiledModel> Create(Environment& environment, const std::string& path, HwAccelerators where);
  CompiledModel(CompiledModel&&) = default;
  CompiledModel& operator=(CompiledModel&&) = default;
  Expected<std::vector<TensorBuffer>> CreateInputBuffers();
  Expected<std::vector<TensorBuffer>> CreateOutputBuffers();
  Expected<void> Run(const std::vector<TensorBuffer>& inputs, const std::vector<TensorBuffer>& outputs);
};
}  // namespace litert
