// `node placing_in_node.mjs PAGE`: rounds and places what standard input asks for, {"values", "sizes"}, as the page does.

import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const module = (name) => import(pathToFileURL(join(process.argv[2], name)));
const {place} = await module('placement.js');
const {rounded} = await module('resampling.js');
const {values, sizes} = JSON.parse(readFileSync(0, 'utf-8'));
const placements = sizes.map((size) => Object.values(place(...size)));
process.stdout.write(JSON.stringify({rounded: values.map(rounded), placements}));
