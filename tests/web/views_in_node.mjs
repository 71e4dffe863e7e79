// `node views_in_node.mjs PAGE`: what each of {"outputs": [{"values", "port"}], "placement"} on standard input shows.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const {colourOf, viewOf} = await import(pathToFileURL(join(process.argv[2], 'views.js')));
const {outputs, placement, colours} = JSON.parse(readFileSync(0, 'utf-8'));
const views = outputs.map(({values, port}) => {
    const numbers = values.map((value) => (value === null ? NaN : value));
    const {image, ...told} = viewOf(numbers, port, placement);
    return {...told, image: image && {...image, values: [...image.values]}};
});
process.stdout.write(JSON.stringify({views, colours: colours.map(colourOf)}));
