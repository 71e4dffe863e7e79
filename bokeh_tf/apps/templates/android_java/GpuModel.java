// Runs @@{asset} on the phone's GPU, or on its CPU where that GPU refuses the file.
// Made by bokeh-tf @@{version} for the file with sha256 @@{sha256}; yours to change.
// @@{tried}
//
// Inputs:
@@{inputs}
// Outputs:
@@{outputs}

package com.example.gpumodel;

import android.content.Context;
import android.content.res.AssetFileDescriptor;
import android.util.Log;
import java.io.FileInputStream;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.util.HashMap;
import java.util.Map;
import org.tensorflow.lite.Interpreter;
import org.tensorflow.lite.gpu.CompatibilityList;
import org.tensorflow.lite.gpu.GpuDelegate;

/** Takes a while to make; the GPU wants it made and run by the same thread. */
public final class GpuModel implements AutoCloseable {
    /** What one run computed. */
    public static final class Outputs {
@@{fields}
    }

    private static final String ASSET = "@@{asset}";
    private static final int CPU_THREADS = 4;

    private final ByteBuffer[] inputs = {@@{input_buffers}};
    private final ByteBuffer[] outputs = {@@{output_buffers}};
    private final Interpreter interpreter;
    private GpuDelegate delegate;

    public GpuModel(Context context) throws IOException {
        MappedByteBuffer model = map(context);
        interpreter = onGpu(model);
    }

    /** Whether the GPU runs it: it may still leave single operations to the CPU, of which `bokeh-tf check` knows. */
    public boolean isOnGpu() {
        return delegate != null;
    }

    /** Values lie row by row, channels innermost, as the comment at the top lists them. */
    public Outputs run(@@{parameters}) {
@@{writes}
        Map<Integer, Object> places = new HashMap<>();
        for (int number = 0; number < outputs.length; number++) {
            outputs[number].rewind();
            places.put(number, outputs[number]);
        }
        for (ByteBuffer input : inputs) {
            input.rewind();
        }
        interpreter.runForMultipleInputsOutputs(inputs, places);
        Outputs found = new Outputs();
@@{reads}
        return found;
    }

    @Override
    public void close() {
        interpreter.close();
        if (delegate != null) {
            delegate.close();
        }
    }

    private Interpreter onGpu(MappedByteBuffer model) {
        try (CompatibilityList phones = new CompatibilityList()) {
            if (!phones.isDelegateSupportedOnThisDevice()) {
                Log.w("GpuModel", "this phone's GPU is not supported, so the CPU runs " + ASSET);
                return onCpu(model);
            }
        }
        delegate = new GpuDelegate();
        try {
            return new Interpreter(model, new Interpreter.Options().addDelegate(delegate));
        } catch (IllegalArgumentException refused) {
            Log.w("GpuModel", "the GPU refuses " + ASSET + ", so the CPU runs it", refused);
            delegate.close();
            delegate = null;
            return onCpu(model);
        }
    }

    private static Interpreter onCpu(MappedByteBuffer model) {
        return new Interpreter(model, new Interpreter.Options().setNumThreads(CPU_THREADS));
    }

    private static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.nativeOrder());
    }

    private static MappedByteBuffer map(Context context) throws IOException {
        try (AssetFileDescriptor asset = context.getAssets().openFd(ASSET);
                FileInputStream stream = new FileInputStream(asset.getFileDescriptor())) {
            FileChannel channel = stream.getChannel();
            return channel.map(FileChannel.MapMode.READ_ONLY, asset.getStartOffset(), asset.getDeclaredLength());
        }
    }
}
