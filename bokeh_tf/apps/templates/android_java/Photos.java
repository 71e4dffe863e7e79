// A photo through the model: scaled and cut to its size, and its picture as a bitmap.
// Made by bokeh-tf @@{version}; yours to change. @@{tried}

package com.example.gpumodel;

import android.graphics.Bitmap;
import android.graphics.Canvas;
import android.graphics.Matrix;
import android.graphics.Paint;

public final class Photos {
    private static final int WIDTH = @@{width};
    private static final int HEIGHT = @@{height};
    private static final float LOW = @@{low}f;
    private static final float HIGH = @@{high}f;
    private static final int PICTURE_WIDTH = @@{picture_width};
    private static final int PICTURE_HEIGHT = @@{picture_height};
    private static final int PICTURE_CHANNELS = @@{picture_channels};
    private static final float PICTURE_LOW = @@{picture_low}f;
    private static final float PICTURE_HIGH = @@{picture_high}f;

    private Photos() {}

    /** The centre of the photo that has the model's proportions, and what the model makes of it. */
    public static Bitmap render(GpuModel model, Bitmap photo@@{focus}) {
        float[] values = valuesOf(fitted(photo));
        return pictureOf(model.run(@@{arguments}).@@{picture});
    }

    private static Bitmap fitted(Bitmap photo) {
        float scale = Math.max(WIDTH / (float) photo.getWidth(), HEIGHT / (float) photo.getHeight());
        Matrix matrix = new Matrix();
        matrix.setScale(scale, scale);
        matrix.postTranslate((WIDTH - photo.getWidth() * scale) / 2, (HEIGHT - photo.getHeight() * scale) / 2);
        Bitmap bitmap = Bitmap.createBitmap(WIDTH, HEIGHT, Bitmap.Config.ARGB_8888);
        new Canvas(bitmap).drawBitmap(photo, matrix, new Paint(Paint.FILTER_BITMAP_FLAG));
        return bitmap;
    }

    private static float[] valuesOf(Bitmap bitmap) {
        int[] pixels = new int[WIDTH * HEIGHT];
        bitmap.getPixels(pixels, 0, WIDTH, 0, 0, WIDTH, HEIGHT);
        float step = (HIGH - LOW) / 255f;
        float[] values = new float[3 * pixels.length];
        for (int index = 0; index < pixels.length; index++) {
            int pixel = pixels[index];
            values[3 * index] = LOW + step * (pixel >> 16 & 255);
            values[3 * index + 1] = LOW + step * (pixel >> 8 & 255);
            values[3 * index + 2] = LOW + step * (pixel & 255);
        }
        return values;
    }

    private static Bitmap pictureOf(float[] values) {
        int[] pixels = new int[PICTURE_WIDTH * PICTURE_HEIGHT];
        for (int index = 0; index < pixels.length; index++) {
            int pixel = 255;
            for (int channel = 0; channel < 3; channel++) {
                float value = values[PICTURE_CHANNELS * index + Math.min(channel, PICTURE_CHANNELS - 1)];
                float share = (value - PICTURE_LOW) / (PICTURE_HIGH - PICTURE_LOW);
                pixel = pixel << 8 | Math.round(255 * Math.max(0f, Math.min(1f, share)));
            }
            pixels[index] = pixel;
        }
        return Bitmap.createBitmap(pixels, PICTURE_WIDTH, PICTURE_HEIGHT, Bitmap.Config.ARGB_8888);
    }
}
