// From what the model computed at its own size to a picture at the photo's, with the same numbers as
// `bokeh_tf/rendering/composite.py`: the blur is enlarged, and what is sharp is taken from the photo itself.

import {edgeModel} from './edge_model.js';
import {axis, newImage, resized, tall, wide} from './resampling.js';

/** @typedef {import('./resampling.js').Image} Image */

const EDGES_FROM_ENLARGEMENT = 1.5;
const RELIABLE_SHARE = 0.05;
const TINY = 1e-6;

const clipped = (value) => Math.min(1, Math.max(0, value));

/**
 * Renders the photo, in its own pixels.
 * @param {ImageData} photo
 * @param {Image} image the copy that the model saw, from 0 to 1
 * @param {Image} rendered what it made of it
 * @param {Image} weight the share of `image` in it
 */
export function composite(photo, image, rendered, weight) {
    const followsEdges = photo.height >= EDGES_FROM_ENLARGEMENT * image.height;
    const layers = layersOf(image, rendered, weight, followsEdges);
    const {channels} = layers;
    for (const {row, values} of enlargedRows(layers, photo.height, photo.width)) {
        for (let column = 0; column < photo.width; column++) {
            const [pixel, from] = [4 * (row * photo.width + column), column * channels];
            const share = followsEdges ? shareAlongEdges(photo.data, pixel, values, from + 3) : values[from + 3];
            const rest = followsEdges ? 1 - share : 1;
            for (let channel = 0; channel < 3; channel++) {
                const sharp = photo.data[pixel + channel] / 255;
                // An array of clamped bytes rounds and limits by itself.
                photo.data[pixel + channel] = 255 * (rest * values[from + channel] + share * sharp);
            }
        }
    }
}

function shareAlongEdges(pixels, pixel, values, from) {
    let share = values[from + 3];
    for (let channel = 0; channel < 3; channel++) {
        share += values[from + channel] * pixels[pixel + channel] / 255;
    }
    return Math.min(values[from + 5], Math.max(values[from + 4], share));
}

/** What is enlarged: blur and edge model; or, where nothing is to be sharpened, rest and weight. @returns {Image} */
function layersOf(image, rendered, weight, followsEdges) {
    const rest = newImage(image.height, image.width, 3);
    for (let index = 0; index < rest.values.length; index++) {
        rest.values[index] = rendered.values[index] - weight.values[Math.floor(index / 3)] * image.values[index];
    }
    if (!followsEdges) {
        return stacked(rest, weight);
    }
    const share = {...weight, values: weight.values.map((value) => 1 - value)};
    return stacked(blurredLayer(rest, share), edgeModel(image, weight));
}

/** @returns {Image} with the channels of both */
function stacked(first, second) {
    const channels = first.channels + second.channels;
    const made = newImage(first.height, first.width, channels);
    for (let pixel = 0; pixel < first.height * first.width; pixel++) {
        for (const [image, start] of [[first, 0], [second, first.channels]]) {
            for (let channel = 0; channel < image.channels; channel++) {
                made.values[pixel * channels + start + channel] = image.values[pixel * image.channels + channel];
            }
        }
    }
    return made;
}

/** The blurred picture behind the sharp one, continued under it from the sides. @returns {Image} */
function blurredLayer(rest, share) {
    const levels = [{rest, share}];
    for (let last = levels[0]; last.share.values.length > 1; last = levels[levels.length - 1]) {
        const [height, width] = [last.share.height, last.share.width].map((size) => Math.floor((size + 1) / 2));
        levels.push({rest: resized(last.rest, height, width), share: resized(last.share, height, width)});
    }
    const coarsest = levels.pop();
    let colour = {...coarsest.rest, values: coarsest.rest.values.map((value) => value / Math.max(coarsest.share.values[0], TINY))};
    for (const level of levels.reverse()) {
        colour = resized(colour, level.share.height, level.share.width);
        for (let index = 0; index < colour.values.length; index++) {
            const part = level.share.values[Math.floor(index / 3)];
            const trust = clipped(part / RELIABLE_SHARE);
            colour.values[index] += trust * (level.rest.values[index] / Math.max(part, TINY) - colour.values[index]);
        }
    }
    return {...colour, values: colour.values.map(clipped)};
}

/** The rows of an image at another size; only two rows of it are there at a time. */
function* enlargedRows(image, height, width) {
    const short = tall(image, Math.min(image.height, height));
    const length = short.width * short.channels;
    const held = new Map();
    const widened = (row) => {
        if (!held.has(row)) {
            held.delete(row - 2);
            const values = short.values.subarray(row * length, (row + 1) * length);
            held.set(row, wide({...short, values, height: 1}, width).values);
        }
        return held.get(row);
    };
    for (const [row, {positions, shares}] of axis(short.height, height, 'linear').entries()) {
        const parts = positions.map(widened);
        const values = new Float32Array(parts[0].length);
        for (let index = 0; index < values.length; index++) {
            for (let tap = 0; tap < parts.length; tap++) {
                values[index] += shares[tap] * parts[tap][index];
            }
        }
        yield {row, values};
    }
}
