package android.graphics;

public class Matrix {
    public native void setScale(float x, float y);

    public native boolean postTranslate(float x, float y);
}
