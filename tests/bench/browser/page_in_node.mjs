// The timing page's own script without a browser: `node page_in_node.mjs ADDRESS FOLDER hidden|shown`.
//
// It speaks to the command at ADDRESS, and its frames run the same script, all from FOLDER. A page that is hidden comes
// into sight once something comes from standard input. What its status says is printed, a line each.

import {join} from 'node:path';
import {pathToFileURL} from 'node:url';

const [address, folder, sight] = process.argv.slice(2);
const script = pathToFileURL(join(folder, 'bench.js'));
const listeners = {message: new Set(), pagehide: new Set(), pageshow: new Set()};
const real = {fetch, setTimeout};

function element() {
    return {append() {}, remove() {}, scrollIntoView() {}, contentWindow: {}};
}

/** Runs the script in a frame, whose parent is the page. */
async function load(frame) {
    const told = (data) => {
        for (const heard of listeners.message) {
            heard({source: frame.contentWindow, data});
        }
    };
    globalThis.window = frame.contentWindow;
    globalThis.parent = {postMessage: told};
    await import(`${script}?${encodeURIComponent(frame.title)}`);
}

const status = Object.defineProperty({}, 'textContent', {set: (text) => console.log(text)});
globalThis.document = {
    hidden: sight === 'hidden',
    body: {append: load},
    createElement: element,
    getElementById: (name) => (name === 'status' ? status : element()),
};
globalThis.window = globalThis.parent = globalThis;
globalThis.location = {origin: 'here'};
globalThis.crossOriginIsolated = true;
Object.defineProperty(globalThis, 'navigator', {value: {userAgent: 'Node', hardwareConcurrency: 2}});
globalThis.addEventListener = (name, heard) => listeners[name].add(heard);
globalThis.removeEventListener = (name, heard) => listeners[name].delete(heard);
globalThis.fetch = (place, options) => real.fetch(new URL(place, address), options);
// Pauses are for people and networks.
globalThis.setTimeout = (act) => real.setTimeout(act, 1);
if (document.hidden) {
    process.stdin.once('data', () => {
        document.hidden = false;
        process.stdin.destroy();
    });
}
await import(script);
