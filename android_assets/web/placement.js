// Where a photo of any size lies in the model's canvas, as `bokeh_tf/rendering/geometry.py` places it.

import {axis, mirrored, newImage, rounded} from './resampling.js';

/** @typedef {{canvasHeight: number, canvasWidth: number, top: number, left: number, height: number, width: number}} Placement */
/** @typedef {import('./resampling.js').Image} Image */

const MAX_STRETCH = 1.15;

/** All of the canvas, stretched a little, or else centred with its own proportions. @returns {Placement} */
export function place(photoHeight, photoWidth, canvasHeight, canvasWidth) {
    const [vertical, horizontal] = [canvasHeight / photoHeight, canvasWidth / photoWidth];
    const scale = Math.min(vertical, horizontal);
    if (Math.max(vertical, horizontal) <= MAX_STRETCH * scale) {
        return {canvasHeight, canvasWidth, top: 0, left: 0, height: canvasHeight, width: canvasWidth};
    }
    const height = Math.min(canvasHeight, Math.max(1, rounded(photoHeight * scale)));
    const width = Math.min(canvasWidth, Math.max(1, rounded(photoWidth * scale)));
    const [top, left] = [Math.floor((canvasHeight - height) / 2), Math.floor((canvasWidth - width) / 2)];
    return {canvasHeight, canvasWidth, top, left, height, width};
}

/**
 * The photo as the model sees it, from 0 to 1; around it its reflection.
 * @param {ImageData} photo @param {Placement} placement @returns {Image}
 */
export function toCanvas(photo, placement) {
    const small = shrunk(photo, placement.height, placement.width);
    const {canvasHeight, canvasWidth, top, left} = placement;
    const canvas = newImage(canvasHeight, canvasWidth, 3);
    for (let row = 0, to = 0; row < canvasHeight; row++) {
        const from = mirrored(row - top, small.height) * small.width;
        for (let column = 0; column < canvasWidth; column++) {
            const pixel = 3 * (from + mirrored(column - left, small.width));
            for (let channel = 0; channel < 3; channel++, to++) {
                canvas.values[to] = byteOf(small.values[pixel + channel]) / 255;
            }
        }
    }
    return canvas;
}

/** The photo's copies are of whole steps of a byte, as the photo is. */
function byteOf(value) {
    return Math.min(255, Math.max(0, rounded(value)));
}

/** The colours of a photo at another size, row by row, so that no large copy is made. @returns {Image} */
function shrunk(photo, height, width) {
    const made = newImage(height, width, 3);
    const columns = axis(photo.width, width, 'cubic');
    const across = new Float32Array(3 * width);
    // Where not both axes shrink, each has its own turn, with bytes in between.
    const isInTwoTurns = height >= photo.height || width >= photo.width;
    let present = -1;
    for (const [row, {positions, shares}] of axis(photo.height, height, 'cubic').entries()) {
        const target = made.values.subarray(3 * width * row, 3 * width * (row + 1));
        for (let tap = 0; tap < positions.length; tap++) {
            if (positions[tap] !== present) {
                present = positions[tap];
                widenRow(photo, present, columns, across);
                if (isInTwoTurns) {
                    across.set(across.map(byteOf));
                }
            }
            for (let index = 0; index < target.length; index++) {
                target[index] += shares[tap] * across[index];
            }
        }
    }
    return made;
}

function widenRow(photo, row, columns, across) {
    const start = 4 * photo.width * row;
    for (let column = 0; column < columns.length; column++) {
        const {positions, shares} = columns[column];
        let [red, green, blue] = [0, 0, 0];
        for (let tap = 0; tap < positions.length; tap++) {
            const [pixel, share] = [start + 4 * positions[tap], shares[tap]];
            red += share * photo.data[pixel];
            green += share * photo.data[pixel + 1];
            blue += share * photo.data[pixel + 2];
        }
        across[3 * column] = red;
        across[3 * column + 1] = green;
        across[3 * column + 2] = blue;
    }
}

/**
 * The part of what a model computed that is of the photo, at least one pixel of it.
 * @param {Image} canvas of this size or another @param {Placement} placement @returns {Image}
 */
export function cropped(canvas, placement) {
    const vertical = canvas.height / placement.canvasHeight;
    const horizontal = canvas.width / placement.canvasWidth;
    const height = Math.max(1, rounded(placement.height * vertical));
    const width = Math.max(1, rounded(placement.width * horizontal));
    const top = Math.min(canvas.height - height, rounded(placement.top * vertical));
    const left = Math.min(canvas.width - width, rounded(placement.left * horizontal));
    const made = newImage(height, width, canvas.channels);
    const length = width * canvas.channels;
    for (let row = 0; row < height; row++) {
        const from = ((top + row) * canvas.width + left) * canvas.channels;
        made.values.set(canvas.values.subarray(from, from + length), row * length);
    }
    return made;
}
