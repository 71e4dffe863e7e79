// What an output shows that is not the photo's picture: a map in grey or in a colour for each class, or numbers.

import {cropped} from './placement.js';
import {newImage} from './resampling.js';

/** @typedef {import('./resampling.js').Image} Image */
/**
 * What is seen of one output, which `kind` of view that is, and what it means in words.
 * @typedef {{kind: string, image: Image|null, caption: string, entries: {colour: number[]|null, text: string}[]}} View
 */

// Of the first classes: Okabe and Ito's colours, which people with any colour vision tell apart.
const FIRST_COLOURS = [
    [0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0], [204, 121, 167],
];
// No class has it: those below are darker.
const NO_NUMBER_COLOUR = [1, 1, 1];
const GOLDEN_ANGLE = 137.508;
const LIGHTNESSES = [0.35, 0.55, 0.75];
const MOST_ENTRIES = 12;
// Grey values of whole numbers, such as those of a byte, are more.
const MOST_GUESSED_CLASSES = 200;
const LARGEST_CLASS = 65_535;
const ALL_NUMBERS = 8;
const TOP_NUMBERS = 5;

/**
 * @param {any} values of one output, an array of its type @param {any} port what the facts say of it
 * @param {import('./placement.js').Placement} placement of the photo, so that only its part of a map counts
 * @returns {View}
 */
export function viewOf(values, port, placement) {
    const isMap = port.kind !== 'numbers';
    const part = isMap ? cropped({...port, values}, placement) : {values};
    const kind = isMap && values instanceof Float32Array ? kindOfFloats(part.values, port) : port.kind;
    const view = VIEWS[kind](part, port);
    return {...view, kind, caption: [view.caption, port.note].filter(Boolean).join(' ')};
}

const VIEWS = {picture, grey, classes, numbers};

/** What the facts say, but that the values of one channel show by themselves whether they are classes. */
function kindOfFloats(values, {kind, channels}) {
    if (channels !== 1) {
        return kind;
    }
    const found = new Set();
    for (const value of values) {
        if (Number.isNaN(value)) {
            continue;
        }
        if (!Number.isInteger(value) || Math.abs(value) > LARGEST_CLASS) {
            return 'grey';
        }
        if (found.size <= MOST_GUESSED_CLASSES) {
            found.add(value);
        }
    }
    const looksLikeClasses = found.size > 1 && found.size <= MOST_GUESSED_CLASSES;
    return looksLikeClasses ? 'classes' : kind;
}

/** @param {Image} image @param {any} port */
function picture(image, {low, high}) {
    const shown = image.values.map((value) => (value - low) / (high - low));
    return {image: {...image, values: shown}, caption: 'A picture.', entries: []};
}

/** @param {Image} map */
function grey(map) {
    let [low, high] = [Infinity, -Infinity];
    for (const value of map.values) {
        if (Number.isFinite(value)) {
            [low, high] = [Math.min(low, value), Math.max(high, value)];
        }
    }
    const scale = high > low ? 1 / (high - low) : 0;
    // What is no number is black.
    const values = map.values.map((value) => (Number.isNaN(value) ? 0 : clamped((value - low) * scale)));
    return {image: {...map, values}, caption: spanOf(low, high), entries: []};
}

function spanOf(low, high) {
    if (low > high) {
        return 'No value is a finite number.';
    }
    return low === high ? `${short(low)} everywhere.` : `Black is ${short(low)}, white is ${short(high)}.`;
}

/** @param {Image} map @param {any} port */
function classes(map, {channels, labels, mayBePicture}) {
    const chosen = channels > 1 ? likeliest(map) : map.values;
    const image = newImage(map.height, map.width, 3);
    const counts = new Map();
    for (let pixel = 0; pixel < chosen.length; pixel++) {
        counts.set(chosen[pixel], (counts.get(chosen[pixel]) ?? 0) + 1);
        image.values.set(colourOf(chosen[pixel]), 3 * pixel);
    }
    // Names that are fewer or more than the channels are those of something else.
    const names = channels === 1 || labels?.length === channels ? labels : null;
    const caption = channels > 1 ? `The likeliest of ${channels} classes for each pixel.` : 'The class of each pixel.';
    const hint = mayBePicture ? ' If it is a picture, start with --output-range and its values, such as 0 1.' : '';
    return {image, caption: caption + hint, entries: legend(counts, chosen.length, names)};
}

/**
 * The channel with the largest value of each pixel, the first of equal ones; NaN where no value is a number.
 * @param {Image} map @returns {Float32Array}
 */
export function likeliest({values, channels}) {
    const chosen = new Float32Array(values.length / channels);
    for (let pixel = 0; pixel < chosen.length; pixel++) {
        const start = pixel * channels;
        let [best, largest] = [NaN, NaN];
        for (let channel = 0; channel < channels; channel++) {
            const value = values[start + channel];
            // Nothing compares with NaN, neither the first `largest` nor a value.
            if (!(value <= largest) && !Number.isNaN(value)) {
                [best, largest] = [channel, value];
            }
        }
        chosen[pixel] = best;
    }
    return chosen;
}

/** What covers most comes first. @param {Map<number, number>} counts of pixels by class */
function legend(counts, pixels, names) {
    const sorted = [...counts].sort(([, one], [, other]) => other - one);
    const entries = sorted.slice(0, MOST_ENTRIES).map(([index, count]) => (
        {colour: colourOf(index), text: `${nameOf(index, names)}, ${percent(count / pixels)}`}
    ));
    const others = sorted.slice(MOST_ENTRIES);
    if (others.length) {
        const share = others.reduce((sum, [, count]) => sum + count, 0) / pixels;
        entries.push({colour: null, text: `${others.length} more, ${percent(share)}`});
    }
    return entries;
}

/** @param {{values: ArrayLike<number>}} vector @param {any} port */
function numbers({values}, {labels}) {
    const names = labels?.length === values.length ? labels : null;
    const isAll = values.length <= ALL_NUMBERS;
    const shown = isAll ? [...Array(values.length).keys()] : largestOf(values, TOP_NUMBERS);
    const entries = shown.map((index) => (
        {colour: null, text: `${nameOf(index, names)}: ${short(values[index])}`}
    ));
    const missing = isAll ? 0 : missingOf(values);
    if (missing) {
        entries.push({colour: null, text: `no number: ${missing} of them`});
    }
    const caption = isAll ? 'No map but numbers.' : `No map but ${values.length} numbers; the largest are:`;
    return {image: null, caption, entries};
}

/** Where the `most` largest numbers are, the first of equal ones before the others. @returns {number[]} */
function largestOf(values, most) {
    const found = [];
    for (let index = 0; index < values.length; index++) {
        const value = values[index];
        const isTooSmall = found.length === most && value <= values[found[most - 1]];
        if (!isTooSmall && !Number.isNaN(value)) {
            const next = found.findIndex((other) => values[other] < value);
            found.splice(next < 0 ? found.length : next, 0, index);
            found.length = Math.min(found.length, most);
        }
    }
    return found;
}

function missingOf(values) {
    let missing = 0;
    for (let index = 0; index < values.length; index++) {
        missing += Number(Number.isNaN(values[index]));
    }
    return missing;
}

/** @param {number} index of a class, or NaN @param {string[]|null} names of which some may be empty */
function nameOf(index, names) {
    return Number.isNaN(index) ? 'no number' : names?.[index] || String(index);
}

/** From 0 to 1, always the same for one class. @param {number} index, or NaN @returns {number[]} */
export function colourOf(index) {
    if (Number.isNaN(index)) {
        return NO_NUMBER_COLOUR;
    }
    if (index in FIRST_COLOURS) {
        return FIRST_COLOURS[index].map((value) => value / 255);
    }
    const lightness = LIGHTNESSES[Math.abs(index) % LIGHTNESSES.length];
    const reach = 0.65 * Math.min(lightness, 1 - lightness);
    // Red, green and blue of a hue, as CSS computes hsl().
    return [0, 8, 4].map((offset) => {
        const turn = (((offset + (index * GOLDEN_ANGLE) / 30) % 12) + 12) % 12;
        return lightness - reach * Math.max(-1, Math.min(turn - 3, 9 - turn, 1));
    });
}

function clamped(value) {
    return Math.min(1, Math.max(0, value));
}

function short(value) {
    return String(Number(value.toPrecision(4)));
}

function percent(share) {
    return share < 0.01 ? 'less than 1 %' : `${Math.round(100 * share)} %`;
}
