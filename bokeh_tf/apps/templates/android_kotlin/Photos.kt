// A photo through the model: scaled and cut to its size, and its picture as a bitmap.
// Made by bokeh-tf @@{version}; yours to change. @@{tried}

package com.example.gpumodel

import android.graphics.Bitmap
import android.graphics.Canvas
import android.graphics.Matrix
import android.graphics.Paint
import kotlin.math.max
import kotlin.math.roundToInt

private const val WIDTH = @@{width}
private const val HEIGHT = @@{height}
private const val LOW = @@{low}f
private const val HIGH = @@{high}f
private const val PICTURE_WIDTH = @@{picture_width}
private const val PICTURE_HEIGHT = @@{picture_height}
private const val PICTURE_CHANNELS = @@{picture_channels}
private const val PICTURE_LOW = @@{picture_low}f
private const val PICTURE_HIGH = @@{picture_high}f

/** The centre of the photo that has the model's proportions, and what the model makes of it. */
fun GpuModel.render(photo: Bitmap@@{focus}): Bitmap {
    val values = valuesOf(fitted(photo))
    return pictureOf(run(@@{arguments}).@@{picture})
}

private fun fitted(photo: Bitmap): Bitmap {
    val scale = max(WIDTH / photo.width.toFloat(), HEIGHT / photo.height.toFloat())
    val matrix = Matrix()
    matrix.setScale(scale, scale)
    matrix.postTranslate((WIDTH - photo.width * scale) / 2, (HEIGHT - photo.height * scale) / 2)
    val bitmap = Bitmap.createBitmap(WIDTH, HEIGHT, Bitmap.Config.ARGB_8888)
    Canvas(bitmap).drawBitmap(photo, matrix, Paint(Paint.FILTER_BITMAP_FLAG))
    return bitmap
}

private fun valuesOf(bitmap: Bitmap): FloatArray {
    val pixels = IntArray(WIDTH * HEIGHT)
    bitmap.getPixels(pixels, 0, WIDTH, 0, 0, WIDTH, HEIGHT)
    val step = (HIGH - LOW) / 255f
    val values = FloatArray(3 * pixels.size)
    for (index in pixels.indices) {
        val pixel = pixels[index]
        values[3 * index] = LOW + step * (pixel shr 16 and 255)
        values[3 * index + 1] = LOW + step * (pixel shr 8 and 255)
        values[3 * index + 2] = LOW + step * (pixel and 255)
    }
    return values
}

private fun pictureOf(values: FloatArray): Bitmap {
    val pixels = IntArray(PICTURE_WIDTH * PICTURE_HEIGHT)
    for (index in pixels.indices) {
        var pixel = 255
        for (channel in 0..2) {
            val value = values[PICTURE_CHANNELS * index + channel.coerceAtMost(PICTURE_CHANNELS - 1)]
            val share = (value - PICTURE_LOW) / (PICTURE_HIGH - PICTURE_LOW)
            pixel = (pixel shl 8) or (255 * share.coerceIn(0f, 1f)).roundToInt()
        }
        pixels[index] = pixel
    }
    return Bitmap.createBitmap(pixels, PICTURE_WIDTH, PICTURE_HEIGHT, Bitmap.Config.ARGB_8888)
}
