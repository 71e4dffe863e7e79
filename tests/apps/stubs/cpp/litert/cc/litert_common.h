#pragma once

namespace litert {
enum class HwAccelerators { kCpu = 1, kGpu = 2 };
}
