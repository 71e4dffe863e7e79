package org.tensorflow.lite.gpu;

public class CompatibilityList implements java.io.Closeable {
    public native boolean isDelegateSupportedOnThisDevice();

    @Override
    public native void close();
}
