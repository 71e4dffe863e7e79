// `node placing_in_node.mjs PAGE`: rounds, places and crops what standard input asks for, {"values", "sizes", "crops":
// [{"photo", "canvas", "map": sizes}]}, as the page does. The values of a map are its pixels' numbers.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const module = (name) => import(pathToFileURL(join(process.argv[2], name)));
const {cropped, place} = await module('placement.js');
const {rounded} = await module('resampling.js');
const {values, sizes, crops} = JSON.parse(readFileSync(0, 'utf-8'));
const placements = sizes.map((size) => Object.values(place(...size)));
const parts = crops.map(({photo, canvas, map: [height, width]}) => {
    const map = {values: Float32Array.from({length: height * width}, (_, pixel) => pixel), height, width, channels: 1};
    const part = cropped(map, place(...photo, ...canvas));
    return {...part, values: [...part.values]};
});
process.stdout.write(JSON.stringify({rounded: values.map(rounded), placements, parts}));
