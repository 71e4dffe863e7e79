package android.graphics;

public abstract class Bitmap {
    public enum Config {
        ARGB_8888
    }

    public static native Bitmap createBitmap(int width, int height, Config config);

    public static native Bitmap createBitmap(int[] colors, int width, int height, Config config);

    public abstract int getWidth();

    public abstract int getHeight();

    public abstract void getPixels(int[] pixels, int offset, int stride, int x, int y, int width, int height);
}
