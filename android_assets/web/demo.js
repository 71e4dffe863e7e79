// What a person sees and does: a photo beside its picture, a tap, an aperture. The model itself is in gpu_model.js.

import {composite} from './composite.js';
import {loadModel, run} from './gpu_model.js';
import {PhotoStrip, photosOf} from './photo_strip.js';
import {cropped, place, toCanvas} from './placement.js';
import {viewOf} from './views.js';

/** @typedef {import('./resampling.js').Image} Image */
/** @typedef {import('./photo_strip.js').Photo} Photo */

/** @param {string} id @returns {any} an element of this page, whichever kind it is of */
const element = (id) => document.getElementById(id);
const [stage, before, after] = ['stage', 'before', 'after'].map(element);
const strip = new PhotoStrip(element('photos'), take);
// `wanted` is the photo that somebody chose last, `photo` all pixels of the one that is shown, `canvas` the copy that
// the model sees, `picture` and `map` what it made of it, or `outputs` all that it made, of which `picture` shows one.
const state = {
    wanted: null, photo: null, name: 'photo', placement: null, canvas: null, picture: null, map: null, outputs: null,
    tap: null, mark: null, showsMap: false, isBusy: false, isWanted: false,
};
// Keys that move the place to focus on, by shares of the height and the width.
const STEPS = {ArrowUp: [-0.05, 0], ArrowDown: [0.05, 0], ArrowLeft: [0, -0.05], ArrowRight: [0, 0.05]};
let facts = null;
let model = null;
let accelerator = '';

/** @param {string} text */
function say(text) {
    element('status').textContent = text;
}

/** So that what was said is seen before long work begins. */
function breath() {
    return new Promise((resolve) => setTimeout(resolve));
}

/** Draws the part of a canvas that is of the photo. @param {HTMLCanvasElement} target @param {Image} canvas */
function draw(target, canvas) {
    paint(target, cropped(canvas, state.placement));
}

/** @param {HTMLCanvasElement} target @param {Image} part of a canvas that is of the photo */
function paint(target, {values, height, width, channels}) {
    const image = new ImageData(width, height);
    for (let pixel = 0; pixel < width * height; pixel++) {
        for (let channel = 0; channel < 3; channel++) {
            // An array of clamped bytes rounds and limits by itself.
            image.data[4 * pixel + channel] = 255 * values[channels * pixel + Math.min(channel, channels - 1)];
        }
        image.data[4 * pixel + 3] = 255;
    }
    [target.width, target.height] = [width, height];
    target.getContext('2d').putImageData(image, 0, 0);
}

function show() {
    if (facts.views.length) {
        showOutput();
    } else {
        draw(after, state.showsMap ? state.map : state.picture);
    }
}

/** The same, as a listener: what goes wrong is said. */
function showAgain() {
    try {
        show();
    } catch (error) {
        say(`Not shown: ${error.message}`);
    }
}

/** Which output is looked at, of a model that makes more than a picture, or none. */
function chosen() {
    return facts.views[element('choice').selectedIndex];
}

/** The chosen output: its map beside the photo if it is one, and what it means in words. */
function showOutput() {
    const port = chosen();
    const {kind, image, caption, entries} = viewOf(state.outputs[port.name], port, state.placement);
    state.picture = image;
    paint(after, image ?? cropped(state.canvas, state.placement));
    after.setAttribute('aria-label', image ? `${port.title} beside the photo` : 'The photo');
    stage.classList.toggle('plain', image === null);
    stage.classList.toggle('classes', kind === 'classes');
    for (const id of ['split_row', 'hold', 'save']) {
        element(id).hidden = image === null;
    }
    element('caption').textContent = `${port.title}: ${caption}`;
    element('legend').replaceChildren(...entries.map(entryOf));
}

function entryOf({colour, text}) {
    const entry = document.createElement('li');
    if (colour !== null) {
        const swatch = document.createElement('span');
        swatch.className = 'swatch';
        swatch.style.backgroundColor = `rgb(${colour.map((value) => Math.round(255 * value)).join(' ')})`;
        entry.append(swatch);
    }
    entry.append(text);
    return entry;
}

/** Where somebody tapped, in the canvas; the aperture; and no grade. @returns {Float32Array} */
function wishes() {
    const {tap, placement: {canvasHeight, canvasWidth, top, left, height, width}} = state;
    const row = tap ? (top + tap.row * height) / canvasHeight : -1;
    const column = tap ? (left + tap.column * width) / canvasWidth : -1;
    return Float32Array.of(row, column, element('aperture').value / 100, 0);
}

/** An output as values from 0 to 1. @param {object} outputs of `run` @param {object} port of the facts @returns {Image} */
function imageOf(outputs, {name, height, width, channels, low, high}) {
    const values = outputs[name].map((value) => (value - low) / (high - low));
    return {values, height, width, channels};
}

/** Runs the model on what it sees of the photo. */
async function compute() {
    const {low, high} = facts.canvas;
    const {canvas} = state;
    const photo = canvas.values.map((value) => low + value * (high - low));
    const inputs = facts.inputs.map((kind) => (kind === 'photo' ? photo : wishes()));
    /** @type {(...values: any[]) => Promise<object>} its inputs are those that the facts name */
    const runOn = run;
    const outputs = await runOn(model, ...inputs);
    if (state.canvas !== canvas) {
        // Of a photo that is no longer shown; the present one is rendered next.
        return;
    }
    if (facts.views.length) {
        state.outputs = outputs;
        return;
    }
    state.picture = imageOf(outputs, facts.picture);
    state.map = facts.map && imageOf(outputs, facts.map);
    if (state.map) {
        state.map.values = state.map.values.map((share) => Math.min(1, Math.max(0, share)));
    }
}

/** Renders with the present tap and aperture; what is asked for meanwhile is rendered afterwards, once. */
async function render() {
    state.isWanted = true;
    if (state.isBusy || state.photo === null || model === null) {
        return;
    }
    state.isBusy = true;
    stage.setAttribute('aria-busy', 'true');
    try {
        while (state.isWanted) {
            state.isWanted = false;
            say('Rendering…');
            await breath();
            const start = performance.now();
            await compute();
            const elapsed = Math.round(performance.now() - start);
            if (state.picture === null && state.outputs === null) {
                continue;
            }
            show();
            say(`${elapsed} ms on ${accelerator === 'webgpu' ? 'WebGPU' : 'the CPU'}, with the way there and back`);
        }
    } catch (error) {
        say(`Not rendered: ${error.message}`);
    } finally {
        state.isBusy = false;
        stage.setAttribute('aria-busy', 'false');
    }
}

/** All pixels of a picture file. @param {Blob} file @returns {Promise<ImageData>} */
async function pixelsOf(file) {
    const bitmap = await createImageBitmap(file);
    const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext('2d', {willReadFrequently: true});
    context.drawImage(bitmap, 0, 0);
    return context.getImageData(0, 0, bitmap.width, bitmap.height);
}

/** Adds photos to those at hand and shows the first of them. @param {Photo[]} photos */
async function offer(photos) {
    if (photos.length) {
        strip.add(photos);
        await take(photos[0]);
    }
}

/** Shows a photo, and renders it. @param {Photo} wanted */
async function take(wanted) {
    const {name, address} = wanted;
    state.wanted = wanted;
    let photo = null;
    try {
        photo = await pixelsOf(await (await fetch(address)).blob());
    } catch {
        strip.remove(wanted);
        say(`${name}: this browser cannot read it as a picture. Choose another.`);
        return;
    }
    if (state.wanted !== wanted) {
        // Another one was chosen meanwhile.
        return;
    }
    strip.mark(wanted);
    const placement = place(photo.height, photo.width, facts.canvas.height, facts.canvas.width);
    const canvas = toCanvas(photo, placement);
    Object.assign(state, {photo, placement, canvas, name, picture: null, map: null, outputs: null});
    unmark();
    draw(before, canvas);
    draw(after, canvas);
    element('main').style.setProperty('--ratio', String(photo.width / photo.height));
    stage.classList.add('shown');
    await render();
}

/** The picture in the photo's own pixels, where the model says what is sharp; else what the model made. */
function fullPicture() {
    const canvas = new OffscreenCanvas(after.width, after.height);
    if (state.showsMap || !facts.isBlend) {
        canvas.getContext('2d').drawImage(after, 0, 0);
        return canvas;
    }
    const picture = new ImageData(state.photo.data.slice(), state.photo.width, state.photo.height);
    const [image, rendered, weight] = [state.canvas, state.picture, state.map].map((part) => cropped(part, state.placement));
    composite(picture, image, rendered, weight);
    [canvas.width, canvas.height] = [picture.width, picture.height];
    canvas.getContext('2d').putImageData(picture, 0, 0);
    return canvas;
}

async function save() {
    if (state.picture === null || state.isBusy) {
        return;
    }
    say('Computing the download…');
    await breath();
    const start = performance.now();
    const canvas = fullPicture();
    const blob = await canvas.convertToBlob({type: 'image/png'});
    const link = document.createElement('a');
    link.href = URL.createObjectURL(blob);
    const kind = chosen()?.name ?? (state.showsMap ? 'map' : 'bokeh');
    link.download = `${state.name}_${kind}.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    const elapsed = Math.round(performance.now() - start);
    say(`${link.download}: ${canvas.width} x ${canvas.height} pixels, computed in ${elapsed} ms`);
}

function listen() {
    const split = element('split');
    split.addEventListener('input', () => {
        stage.style.setProperty('--split', `${split.value}%`);
        split.setAttribute('aria-valuetext', `${split.value} percent photo`);
    });
    element('photo').addEventListener('change', (event) => {
        offer(photosOf(event.target.files));
    });
    for (const kind of ['dragover', 'dragleave', 'drop']) {
        stage.addEventListener(kind, (event) => {
            event.preventDefault();
            stage.classList.toggle('over', kind === 'dragover');
            if (kind === 'drop') {
                offer(photosOf(event.dataTransfer.files));
            }
        });
    }
    const hold = element('hold');
    const held = (isHeld) => () => stage.classList.toggle('held', isHeld);
    for (const kind of ['pointerdown', 'keydown']) {
        hold.addEventListener(kind, held(true));
    }
    for (const kind of ['pointerup', 'pointerleave', 'pointercancel', 'keyup', 'blur']) {
        hold.addEventListener(kind, held(false));
    }
    element('map').addEventListener('click', () => {
        state.showsMap = !state.showsMap;
        element('map').setAttribute('aria-pressed', String(state.showsMap));
        if (state.picture !== null) {
            showAgain();
        }
    });
    element('choice').addEventListener('change', () => {
        if (state.outputs !== null) {
            showAgain();
        }
    });
    element('save').addEventListener('click', () => save().catch((error) => say(`Not saved: ${error.message}`)));
    element('aperture').addEventListener('change', render);
    element('automatic').addEventListener('click', () => {
        unmark();
        render();
    });
    stage.addEventListener('click', (event) => {
        const box = stage.getBoundingClientRect();
        tap((event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width);
    });
    stage.addEventListener('keydown', (event) => {
        const {row, column} = state.mark ?? state.tap ?? {row: 0.5, column: 0.5};
        const [down, right] = STEPS[event.key] ?? [0, 0];
        if (event.key === 'Enter') {
            tap(row, column);
        } else if (down || right) {
            mark(row + down, column + right);
        } else {
            return;
        }
        event.preventDefault();
    });
}

/** Shows and says a place of the photo, each part from 0 to 1, at which Enter would tap. */
function mark(row, column) {
    if (!facts.takesFocus || state.photo === null) {
        return;
    }
    state.mark = {row: Math.min(1, Math.max(0, row)), column: Math.min(1, Math.max(0, column))};
    const [top, left] = [state.mark.row, state.mark.column].map((part) => Math.round(100 * part));
    stage.style.setProperty('--row', `${top}%`);
    stage.style.setProperty('--column', `${left}%`);
    element('mark').hidden = false;
    say(`${left} % from the left, ${top} % from the top; Enter focuses there`);
}

function unmark() {
    Object.assign(state, {tap: null, mark: null});
    element('mark').hidden = true;
}

function tap(row, column) {
    mark(row, column);
    if (state.mark) {
        state.tap = state.mark;
        render();
    }
}

/** A choice of the outputs, beginning with the first map. */
function offerOutputs() {
    const titles = facts.views.map(({title}) => new Option(title));
    element('choice').replaceChildren(...titles);
    element('choice').selectedIndex = Math.max(0, facts.views.findIndex(({kind}) => kind !== 'numbers'));
    element('choice_row').hidden = titles.length < 2;
    element('view').hidden = titles.length === 0;
}

async function start() {
    facts = await (await fetch('facts.json')).json();
    document.title = `${facts.name} · bokeh-tf`;
    element('name').textContent = facts.name;
    for (const id of ['aperture_row', 'automatic']) {
        element(id).hidden = !facts.takesFocus;
    }
    if (facts.takesFocus) {
        stage.tabIndex = 0;
        stage.setAttribute('role', 'application');
        stage.setAttribute('aria-label', 'Where to focus: tap, or move by the arrow keys and press Enter');
    }
    element('map').hidden = facts.map === null;
    offerOutputs();
    element('controls').hidden = false;
    listen();
    // Shown while the model is on its way.
    const first = offer(facts.photos);
    ({model, accelerator} = await loadModel());
    if (facts.photos.length === 0) {
        say('Choose a photo, or drop one on the frame.');
    }
    await first;
    await render();
}

start().catch((error) => say(`Not loaded: ${error.message}`));
