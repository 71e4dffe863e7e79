// What a person sees and does: a photo beside its picture, a tap, an aperture. The model itself is in gpu_model.js.

import {loadModel} from './gpu_model.js';
import {fitted, outputsOf, pictureOf} from './photos.js';

const element = (id) => document.getElementById(id);
const [stage, before, after] = ['stage', 'before', 'after'].map(element);
const state = {photo: null, name: 'photo', outputs: null, tap: null, showsMap: false, isBusy: false, isWanted: false};
let facts = null;
let model = null;
let accelerator = '';

/** @param {string} text */
function say(text) {
    element('status').textContent = text;
}

/** @param {HTMLCanvasElement} canvas @param {ImageData} image */
function draw(canvas, image) {
    [canvas.width, canvas.height] = [image.width, image.height];
    canvas.getContext('2d').putImageData(image, 0, 0);
}

/** A map of one channel as grey. @param {Float32Array} values @returns {ImageData} */
function greyOf(values) {
    const image = new ImageData(facts.map.width, facts.map.height);
    for (let index = 0; index < values.length; index++) {
        image.data.fill(255 * values[index], 4 * index, 4 * index + 3);
        image.data[4 * index + 3] = 255;
    }
    return image;
}

function show() {
    const {outputs} = state;
    draw(after, state.showsMap ? greyOf(outputs[facts.map.name]) : pictureOf(outputs[facts.picture]));
}

/** Renders with the present tap and aperture; what is asked for meanwhile is rendered afterwards, once. */
async function render() {
    state.isWanted = true;
    if (state.isBusy || state.photo === null || model === null) {
        return;
    }
    state.isBusy = true;
    try {
        while (state.isWanted) {
            state.isWanted = false;
            say('Rendering…');
            // So that the word is seen before the work begins.
            await new Promise((resolve) => setTimeout(resolve));
            const wishes = {...state.tap, aperture: facts.takesFocus ? element('aperture').value / 100 : -1};
            const start = performance.now();
            state.outputs = await outputsOf(model, state.photo, wishes);
            const elapsed = Math.round(performance.now() - start);
            show();
            say(`${elapsed} ms on ${accelerator === 'webgpu' ? 'the GPU' : 'the CPU'}, with the way there and back`);
        }
    } catch (error) {
        say(`Not rendered: ${error.message}`);
    } finally {
        state.isBusy = false;
    }
}

/** @param {Blob} file @param {string} name */
async function take(file, name) {
    try {
        state.photo = await createImageBitmap(file);
    } catch {
        say(`${name}: this browser cannot read it as a picture. Choose another.`);
        return;
    }
    state.name = name.replace(/\.[^.]*$/, '');
    state.tap = null;
    draw(before, fitted(state.photo));
    draw(after, fitted(state.photo));
    stage.style.aspectRatio = `${before.width} / ${before.height}`;
    stage.classList.add('shown');
    await render();
}

function save() {
    if (state.outputs === null) {
        return;
    }
    after.toBlob((blob) => {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(blob);
        link.download = `${state.name}_${state.showsMap ? 'map' : 'bokeh'}.png`;
        link.click();
        setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    }, 'image/png');
}

function listen() {
    const split = element('split');
    split.addEventListener('input', () => {
        stage.style.setProperty('--split', `${split.value}%`);
        split.setAttribute('aria-valuetext', `${split.value} percent photo`);
    });
    element('photo').addEventListener('change', (event) => {
        const [file] = event.target.files;
        if (file) {
            take(file, file.name);
        }
    });
    for (const kind of ['dragover', 'dragleave', 'drop']) {
        stage.addEventListener(kind, (event) => {
            event.preventDefault();
            stage.classList.toggle('over', kind === 'dragover');
            const file = kind === 'drop' && event.dataTransfer.files[0];
            if (file) {
                take(file, file.name);
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
        element('map').setAttribute('aria-pressed', state.showsMap);
        if (state.outputs !== null) {
            show();
        }
    });
    element('save').addEventListener('click', save);
    element('aperture').addEventListener('change', render);
    element('automatic').addEventListener('click', () => {
        state.tap = null;
        render();
    });
    stage.addEventListener('click', (event) => {
        if (!facts.takesFocus || state.photo === null) {
            return;
        }
        const box = stage.getBoundingClientRect();
        const [row, column] = [(event.clientY - box.top) / box.height, (event.clientX - box.left) / box.width];
        state.tap = {row, column};
        render();
    });
}

async function start() {
    facts = await (await fetch('facts.json')).json();
    document.title = `${facts.name} · bokeh-tf`;
    element('name').textContent = facts.name;
    for (const id of ['aperture_row', 'automatic']) {
        element(id).hidden = !facts.takesFocus;
    }
    element('map').hidden = facts.map === null;
    element('controls').hidden = false;
    listen();
    const first = facts.photo && fetch(facts.photo);
    ({model, accelerator} = await loadModel());
    say('Choose a photo, or drop one on the frame.');
    if (first && state.photo === null) {
        await take(await (await first).blob(), 'photo');
    } else {
        await render();
    }
}

start().catch((error) => say(`Not loaded: ${error.message}`));
