// Runs @@{asset} on the GPU, or on the CPU where the GPU refuses the file.
// Made by bokeh-tf @@{version} for the file with sha256 @@{sha256}; yours to change.
// @@{tried}
//
// Inputs:
@@{inputs}
// Outputs:
@@{outputs}

#ifndef GPU_MODEL_H_
#define GPU_MODEL_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "litert/cc/litert_common.h"
#include "litert/cc/litert_compiled_model.h"
#include "litert/cc/litert_environment.h"
#include "litert/cc/litert_expected.h"
#include "litert/cc/litert_macros.h"
#include "litert/cc/litert_tensor_buffer.h"

// What one run computed; values lie row by row, channels innermost.
struct Outputs {
@@{fields}
};

// Takes a while to make and is not for several threads at once.
class GpuModel {
 public:
  // `path` is that of @@{asset} on the device.
  static litert::Expected<GpuModel> Create(const std::string& path) {
    LITERT_ASSIGN_OR_RETURN(auto environment, litert::Environment::Create({}));
    auto compiled = litert::CompiledModel::Create(environment, path, litert::HwAccelerators::kGpu);
    const bool is_on_gpu = compiled.HasValue();
    if (!is_on_gpu) {
      compiled = litert::CompiledModel::Create(environment, path, litert::HwAccelerators::kCpu);
    }
    LITERT_ASSIGN_OR_RETURN(auto model, std::move(compiled));
    LITERT_ASSIGN_OR_RETURN(auto inputs, model.CreateInputBuffers());
    LITERT_ASSIGN_OR_RETURN(auto outputs, model.CreateOutputBuffers());
    return GpuModel(std::move(environment), std::move(model), std::move(inputs), std::move(outputs), is_on_gpu);
  }

  // Whether the GPU runs it; else the CPU does, because the GPU refused the file.
  bool is_on_gpu() const { return is_on_gpu_; }

  litert::Expected<Outputs> Run(@@{parameters}) {
@@{writes}
    LITERT_RETURN_IF_ERROR(model_.Run(inputs_, outputs_));
    Outputs found;
@@{reads}
    return found;
  }

 private:
  GpuModel(litert::Environment environment, litert::CompiledModel model, std::vector<litert::TensorBuffer> inputs,
           std::vector<litert::TensorBuffer> outputs, bool is_on_gpu)
      : environment_(std::move(environment)),
        model_(std::move(model)),
        inputs_(std::move(inputs)),
        outputs_(std::move(outputs)),
        is_on_gpu_(is_on_gpu) {}

  // Declared first, as the others must end before it does.
  litert::Environment environment_;
  litert::CompiledModel model_;
  std::vector<litert::TensorBuffer> inputs_;
  std::vector<litert::TensorBuffer> outputs_;
  bool is_on_gpu_;
};

#endif  // GPU_MODEL_H_
