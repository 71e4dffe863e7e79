// `node composite_in_node.mjs FOLDER PAGE`: the page's compositing on the arrays in FOLDER, whose sizes are in sizes.json.

import {readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [folder, page] = process.argv.slice(2);
const module = (name) => import(pathToFileURL(join(page, name)));
const {composite} = await module('composite.js');
const {cropped, place, toCanvas} = await module('placement.js');
const {photo: [photoHeight, photoWidth], canvas: [height, width]} = JSON.parse(readFileSync(join(folder, 'sizes.json')));

function floats(name, channels) {
    const bytes = readFileSync(join(folder, name));
    const values = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4);
    return {values, height, width, channels};
}

const pixels = new Uint8ClampedArray(readFileSync(join(folder, 'photo')));
const photo = {data: pixels, height: photoHeight, width: photoWidth};
const placement = place(photoHeight, photoWidth, height, width);
const canvas = toCanvas(photo, placement);
writeFileSync(join(folder, 'placement.json'), JSON.stringify(placement));
writeFileSync(join(folder, 'seen'), canvas.values);
const parts = [floats('canvas', 3), floats('rendered', 3), floats('weight', 1)];
composite(photo, ...parts.map((part) => cropped(part, placement)));
writeFileSync(join(folder, 'picture'), photo.data);
