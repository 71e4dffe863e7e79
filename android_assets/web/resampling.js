// Images as arrays, row by row, channels innermost, and resampling them as OpenCV does.

/** @typedef {{values: Float32Array, height: number, width: number, channels: number}} Image */

const CUBIC = -0.75;

/** @returns {Image} of zeros */
export function newImage(height, width, channels) {
    return {values: new Float32Array(height * width * channels), height, width, channels};
}

/** The nearest integer; of two that are as near the even one, as Python, NumPy and OpenCV round. */
export function rounded(value) {
    const below = Math.floor(value);
    const rest = value - below;
    return rest < 0.5 || (rest === 0.5 && below % 2 === 0) ? below : below + 1;
}

/** Position mirrored into a row of `size`, the edge repeated: cba|abc|cba. */
export function mirrored(position, size) {
    const period = 2 * size;
    const inside = ((position % period) + period) % period;
    return inside < size ? inside : period - 1 - inside;
}

/**
 * For each new position the old ones that it is made of, and their shares: area averages where the axis shrinks, else
 * linear or cubic between half-pixel centres.
 * @param {'linear'|'cubic'} enlarge
 * @returns {{positions: number[], shares: number[]}[]}
 */
export function axis(oldSize, newSize, enlarge) {
    const scale = oldSize / newSize;
    const inside = (position) => Math.min(oldSize - 1, Math.max(0, position));
    return Array.from({length: newSize}, (_, index) => {
        if (newSize < oldSize) {
            return averaged(index * scale, Math.min(oldSize, (index + 1) * scale));
        }
        const centre = (index + 0.5) * scale - 0.5;
        const first = Math.floor(centre);
        const shares = enlarge === 'cubic' ? cubicShares(centre - first) : [first + 1 - centre, centre - first];
        const start = first - (shares.length / 2 - 1);
        return {positions: shares.map((_share, tap) => inside(start + tap)), shares};
    });
}

function averaged(from, to) {
    const [positions, shares] = [[], []];
    for (let position = Math.floor(from + 1e-6); position < to - 1e-6; position++) {
        positions.push(position);
        shares.push((Math.min(to, position + 1) - Math.max(from, position)) / (to - from));
    }
    return {positions, shares};
}

function cubicShares(offset) {
    const near = (x) => ((CUBIC + 2) * x - (CUBIC + 3)) * x * x + 1;
    const far = (x) => ((CUBIC * x - 5 * CUBIC) * x + 8 * CUBIC) * x - 4 * CUBIC;
    return [far(offset + 1), near(offset), near(1 - offset), far(2 - offset)];
}

/** @param {Image} image @param {'linear'|'cubic'} [enlarge] @returns {Image} */
export function resized(image, height, width, enlarge = 'linear') {
    return tall(wide(image, width, enlarge), height, enlarge);
}

/** @param {Image} image @param {'linear'|'cubic'} [enlarge] @returns {Image} with as many rows */
export function wide(image, width, enlarge = 'linear') {
    if (width === image.width) {
        return image;
    }
    const {channels} = image;
    const made = newImage(image.height, width, channels);
    const columns = axis(image.width, width, enlarge);
    for (let row = 0, to = 0; row < image.height; row++) {
        const from = row * image.width * channels;
        for (const {positions, shares} of columns) {
            for (let channel = 0; channel < channels; channel++, to++) {
                let sum = 0;
                for (let tap = 0; tap < positions.length; tap++) {
                    sum += shares[tap] * image.values[from + positions[tap] * channels + channel];
                }
                made.values[to] = sum;
            }
        }
    }
    return made;
}

/** @param {Image} image @param {'linear'|'cubic'} [enlarge] @returns {Image} with as many columns */
export function tall(image, height, enlarge = 'linear') {
    if (height === image.height) {
        return image;
    }
    const made = newImage(height, image.width, image.channels);
    const length = image.width * image.channels;
    for (const [row, {positions, shares}] of axis(image.height, height, enlarge).entries()) {
        const target = made.values.subarray(row * length, (row + 1) * length);
        for (let tap = 0; tap < positions.length; tap++) {
            const [source, share] = [positions[tap] * length, shares[tap]];
            for (let index = 0; index < length; index++) {
                target[index] += share * image.values[source + index];
            }
        }
    }
    return made;
}
