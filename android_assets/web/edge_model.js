// The weight of the photo explained by the colours around it, as `bokeh_tf/rendering/weight_maps.py` does it: a guided
// filter, so that the weight can be enlarged along the photo's own edges.

import {mirrored, newImage} from './resampling.js';

/** @typedef {import('./resampling.js').Image} Image */

const RADIUS_PX = 2;
const VARIANCE = 1e-4;
const FLAT_WEIGHT = 2 / 255;
const WINDOW = 2 * RADIUS_PX + 1;

/**
 * @param {Image} image of three channels, from 0 to 1 @param {Image} weight of one
 * @returns {Image} of six: three factors, a constant, and the smallest and the largest weight nearby
 */
export function edgeModel(image, weight) {
    const [lowest, highest] = [filtered(weight, Math.min, Infinity), filtered(weight, Math.max, -Infinity)];
    const [colour, meanWeight] = [mean(image), mean(weight)];
    const products = mean(productsOf(image, weight));
    const explained = newImage(image.height, image.width, 4);
    for (let pixel = 0; pixel < meanWeight.values.length; pixel++) {
        let constant = meanWeight.values[pixel];
        if (highest.values[pixel] - lowest.values[pixel] > FLAT_WEIGHT) {
            const factors = factorsAt(pixel, colour.values, constant, products.values);
            for (let channel = 0; channel < 3; channel++) {
                explained.values[4 * pixel + channel] = factors[channel];
                constant -= factors[channel] * colour.values[3 * pixel + channel];
            }
        }
        explained.values[4 * pixel + 3] = constant;
    }
    const smooth = mean(explained);
    const made = newImage(image.height, image.width, 6);
    for (let pixel = 0; pixel < meanWeight.values.length; pixel++) {
        made.values.set(smooth.values.subarray(4 * pixel, 4 * pixel + 4), 6 * pixel);
        made.values[6 * pixel + 4] = lowest.values[pixel];
        made.values[6 * pixel + 5] = highest.values[pixel];
    }
    return made;
}

/** Of each pixel: colour times weight, then the six products of its colours. @returns {Image} */
function productsOf(image, weight) {
    const made = newImage(image.height, image.width, 9);
    for (let pixel = 0; pixel < weight.values.length; pixel++) {
        const [red, green, blue] = image.values.subarray(3 * pixel, 3 * pixel + 3);
        const share = weight.values[pixel];
        const to = 9 * pixel;
        made.values[to] = red * share;
        made.values[to + 1] = green * share;
        made.values[to + 2] = blue * share;
        made.values[to + 3] = red * red;
        made.values[to + 4] = red * green;
        made.values[to + 5] = red * blue;
        made.values[to + 6] = green * green;
        made.values[to + 7] = green * blue;
        made.values[to + 8] = blue * blue;
    }
    return made;
}

/** The least-squares linear function of the colour around a pixel, by Cramer's rule. @returns {number[]} */
function factorsAt(pixel, colour, meanWeight, products) {
    const [red, green, blue] = [colour[3 * pixel], colour[3 * pixel + 1], colour[3 * pixel + 2]];
    const at = 9 * pixel;
    const x = products[at] - red * meanWeight;
    const y = products[at + 1] - green * meanWeight;
    const z = products[at + 2] - blue * meanWeight;
    const a = products[at + 3] - red * red + VARIANCE;
    const b = products[at + 4] - red * green;
    const c = products[at + 5] - red * blue;
    const d = products[at + 6] - green * green + VARIANCE;
    const e = products[at + 7] - green * blue;
    const f = products[at + 8] - blue * blue + VARIANCE;
    const [aa, bb, cc] = [d * f - e * e, c * e - b * f, b * e - c * d];
    const [dd, ee, ff] = [a * f - c * c, b * c - a * e, a * d - b * b];
    const determinant = a * aa + b * bb + c * cc;
    return [aa * x + bb * y + cc * z, bb * x + dd * y + ee * z, cc * x + ee * y + ff * z].map((one) => one / determinant);
}

/** The mean of each window, mirrored at the edges. @param {Image} image @returns {Image} */
function mean(image) {
    const {height, width, channels} = image;
    const [across, made] = [newImage(height, width, channels), newImage(height, width, channels)];
    const length = width * channels;
    for (let row = 0; row < height; row++) {
        for (let column = 0; column < width; column++) {
            const to = row * length + column * channels;
            for (let offset = -RADIUS_PX; offset <= RADIUS_PX; offset++) {
                const from = row * length + mirrored(column + offset, width) * channels;
                for (let channel = 0; channel < channels; channel++) {
                    across.values[to + channel] += image.values[from + channel];
                }
            }
        }
    }
    for (let row = 0; row < height; row++) {
        for (let offset = -RADIUS_PX; offset <= RADIUS_PX; offset++) {
            const from = mirrored(row + offset, height) * length;
            for (let index = 0; index < length; index++) {
                made.values[row * length + index] += across.values[from + index] / (WINDOW * WINDOW);
            }
        }
    }
    return made;
}

/** The smallest or the largest value of each window; what lies outside the image does not count. */
function filtered(weight, choose, start) {
    const {height, width} = weight;
    const [across, made] = [newImage(height, width, 1), newImage(height, width, 1)];
    const pass = (from, to, size, step, along) => {
        for (let index = 0; index < from.length; index++) {
            const position = along(index);
            let chosen = start;
            for (let offset = -RADIUS_PX; offset <= RADIUS_PX; offset++) {
                if (position + offset >= 0 && position + offset < size) {
                    chosen = choose(chosen, from[index + offset * step]);
                }
            }
            to[index] = chosen;
        }
    };
    pass(weight.values, across.values, width, 1, (index) => index % width);
    pass(across.values, made.values, height, width, (index) => Math.floor(index / width));
    return made;
}
