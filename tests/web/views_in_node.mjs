// `node views_in_node.mjs PAGE`: what each of {"outputs": [{"values", "type", "port"}], "placement", "colours"} on
// standard input shows; null is NaN.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const {colourOf, viewOf} = await import(pathToFileURL(join(process.argv[2], 'views.js')));
const {outputs, placement, colours} = JSON.parse(readFileSync(0, 'utf-8'));
const ARRAYS = {float32: Float32Array, int32: Int32Array};
const views = outputs.map(({values, type, port}) => {
    const numbers = values.map((value) => value ?? NaN);
    const {image, ...told} = viewOf(ARRAYS[type].from(numbers), port, placement);
    return {...told, image: image && {...image, values: [...image.values]}};
});
process.stdout.write(JSON.stringify({views, colours: colours.map((index) => colourOf(index ?? NaN))}));
