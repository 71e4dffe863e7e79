// Runs @@{asset} on the phone's GPU, or on its CPU where that GPU refuses the file.
// Made by bokeh-tf @@{version} for the file with sha256 @@{sha256}; yours to change.
// @@{tried}
//
// Inputs:
@@{inputs}
// Outputs:
@@{outputs}

package com.example.gpumodel

import android.content.Context
import android.util.Log
import com.google.ai.edge.litert.Accelerator
import com.google.ai.edge.litert.CompiledModel
import com.google.ai.edge.litert.LiteRtException
import com.google.ai.edge.litert.TensorBuffer

/** What one run computed. */
class Outputs(
@@{fields}
)

/** Takes a while to make and is not for several threads at once: keep one, away from the main thread. */
class GpuModel(context: Context) : AutoCloseable {
    /** Where it runs: the GPU, or the CPU where this phone's GPU refused the file. */
    var accelerator = Accelerator.GPU
        private set

    private val model = compile(context)
    private val inputs: List<TensorBuffer> = model.createInputBuffers()
    private val outputs: List<TensorBuffer> = model.createOutputBuffers()

    private fun compile(context: Context): CompiledModel =
        try {
            CompiledModel.create(context.assets, ASSET, CompiledModel.Options(Accelerator.GPU))
        } catch (refused: LiteRtException) {
            Log.w("GpuModel", "the GPU refuses " + ASSET + ", so the CPU runs it", refused)
            accelerator = Accelerator.CPU
            CompiledModel.create(context.assets, ASSET, CompiledModel.Options(Accelerator.CPU))
        }

    /** Values lie row by row, channels innermost, as the comment at the top lists them. */
    fun run(@@{parameters}): Outputs {
@@{fills}
        model.run(inputs, outputs)
        return Outputs(
@@{reads}
        )
    }

    override fun close() {
        inputs.forEach(TensorBuffer::close)
        outputs.forEach(TensorBuffer::close)
        model.close()
    }

    private companion object {
        const val ASSET = "@@{asset}"
    }
}
