// Runs @@{asset} on the phone's GPU through Metal, or on its CPU where Metal refuses the file.
// Made by bokeh-tf @@{version} for the file with sha256 @@{sha256}; yours to change.
// @@{tried}
//
// Inputs:
@@{inputs}
// Outputs:
@@{outputs}

import Foundation
import TensorFlowLite

/// What one run computed; values lie row by row, channels innermost.
struct Outputs {
@@{fields}
}

/// Takes a while to make and is not for several threads at once: keep one, away from the main queue.
final class GpuModel {
    /// Whether the GPU runs it; else the CPU does, because Metal refused the file.
    let isOnGpu: Bool
    private let interpreter: Interpreter

    /// `path` is that of @@{asset} in the app's bundle.
    init(path: String) throws {
        do {
            interpreter = try GpuModel.ready(Interpreter(modelPath: path, delegates: [MetalDelegate()]))
            isOnGpu = true
        } catch is InterpreterError {
            interpreter = try GpuModel.ready(Interpreter(modelPath: path))
            isOnGpu = false
        }
    }

    func run(@@{parameters}) throws -> Outputs {
@@{writes}
        try interpreter.invoke()
        return Outputs(
@@{reads}
        )
    }

    private static func ready(_ interpreter: Interpreter) throws -> Interpreter {
        try interpreter.allocateTensors()
        return interpreter
    }

    private func values<Element>(at index: Int) throws -> [Element] {
        try interpreter.output(at: index).data.withUnsafeBytes { Array($0.bindMemory(to: Element.self)) }
    }
}
