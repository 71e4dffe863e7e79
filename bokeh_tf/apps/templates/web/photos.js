// A photo through the model: scaled and cut to its size, and its picture as pixels.
// Made by bokeh-tf @@{version}; yours to change. @@{tried}

import {run} from './gpu_model.js';

const [WIDTH, HEIGHT] = [@@{width}, @@{height}];
const [LOW, HIGH] = [@@{low}, @@{high}];
const [PICTURE_WIDTH, PICTURE_HEIGHT, PICTURE_CHANNELS] = [@@{picture_width}, @@{picture_height}, @@{picture_channels}];
const [PICTURE_LOW, PICTURE_HIGH] = [@@{picture_low}, @@{picture_high}];

/**
 * The centre of the photo that has the model's proportions, and what the model makes of it.
 * @param {object} model of `loadModel`
 * @param {ImageBitmap} photo
 * @param {{row?: number, column?: number, aperture?: number}} wishes row and column of a tap, each from 0 to 1, and
 *     the aperture from 0, all sharp, to 1; negative leaves it to the model. Only for models that can be told.
 * @returns {Promise<ImageData>}
 */
export async function render(model, photo, wishes = {}) {
    return pictureOf((await outputsOf(model, photo, wishes)).@@{picture});
}

/** Like `render`, but everything that the model computes, by name. */
export async function outputsOf(model, photo, {row = -1, column = -1, aperture = -1} = {}) {
    return run(model, @@{arguments});
}

/** The photo's centre at the size that the model takes. @param {ImageBitmap} photo @returns {ImageData} */
export function fitted(photo) {
    const scale = Math.max(WIDTH / photo.width, HEIGHT / photo.height);
    const [width, height] = [photo.width * scale, photo.height * scale];
    const context = new OffscreenCanvas(WIDTH, HEIGHT).getContext('2d', {willReadFrequently: true});
    context.imageSmoothingQuality = 'high';
    context.drawImage(photo, (WIDTH - width) / 2, (HEIGHT - height) / 2, width, height);
    return context.getImageData(0, 0, WIDTH, HEIGHT);
}

/** @param {ImageBitmap} photo @returns {Float32Array} */
function valuesOf(photo) {
    const pixels = fitted(photo).data;
    const values = new Float32Array(3 * WIDTH * HEIGHT);
    const step = (HIGH - LOW) / 255;
    for (let index = 0; index < WIDTH * HEIGHT; index++) {
        for (let channel = 0; channel < 3; channel++) {
            values[3 * index + channel] = LOW + step * pixels[4 * index + channel];
        }
    }
    return values;
}

/** @param {Float32Array} values @returns {ImageData} */
export function pictureOf(values) {
    const image = new ImageData(PICTURE_WIDTH, PICTURE_HEIGHT);
    for (let index = 0; index < PICTURE_WIDTH * PICTURE_HEIGHT; index++) {
        for (let channel = 0; channel < 3; channel++) {
            const value = values[PICTURE_CHANNELS * index + Math.min(channel, PICTURE_CHANNELS - 1)];
            // An array of clamped bytes rounds and limits by itself.
            image.data[4 * index + channel] = 255 * (value - PICTURE_LOW) / (PICTURE_HIGH - PICTURE_LOW);
        }
        image.data[4 * index + 3] = 255;
    }
    return image;
}
