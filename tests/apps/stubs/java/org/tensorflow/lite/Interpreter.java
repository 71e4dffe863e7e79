package org.tensorflow.lite;

public final class Interpreter implements AutoCloseable {
    public static class Options {
        public native Options addDelegate(Delegate delegate);

        public native Options setNumThreads(int threads);
    }

    public Interpreter(java.nio.ByteBuffer model, Options options) {}

    public native void runForMultipleInputsOutputs(Object[] inputs, java.util.Map<Integer, Object> outputs);

    @Override
    public native void close();
}
