// Runs dbsi_mobile_focus_float16_1024x1536.tflite on the GPU through WebGPU, or on the CPU where the browser has none or it refuses the file.
// Made by bokeh-tf 0.1.0 for the file with sha256 339b4a6093ddb7f9c7037a25e1d37b5348495ac6c5ffd693c0ff5879518ce80c; yours to change.
// Tried in Chromium 156 on its CPU with @litertjs/core 2.5.3; our tests check the syntax.
//
// Inputs:
//   image: float32 [1, 1024, 1536, 3] from 0 to 1
//   focus: float32 [1, 1, 1, 4] from -1 to 1
// Outputs:
//   rendered: float32 [1, 1024, 1536, 3] from 0 to 1
//   in_focus_weight: float32 [1, 1024, 1536, 1] from 0 to 1
//   subject_confidence: float32 [1, 1, 1, 1] from 0 to 1

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

const ASSET = 'dbsi_mobile_focus_float16_1024x1536.tflite';
const RUNTIME = 'node_modules/@litertjs/core/wasm/';
const OUTPUTS = ['rendered', 'inFocusWeight', 'subjectConfidence'];

/**
 * Loads the runtime and the model, once for a page.
 * @returns {Promise<{model: object, accelerator: string}>} accelerator: 'webgpu' or 'wasm'
 */
export async function loadModel() {
    await loadLiteRt(RUNTIME);
    if ('gpu' in navigator) {
        try {
            return {model: await loadAndCompile(ASSET, {accelerator: 'webgpu'}), accelerator: 'webgpu'};
        } catch (refused) {
            console.warn(`the GPU refuses ${ASSET}, so the CPU runs it`, refused);
        }
    }
    return {model: await loadAndCompile(ASSET, {accelerator: 'wasm'}), accelerator: 'wasm'};
}

/**
 * One run. Values lie row by row, channels innermost.
 * @param {object} model of `loadModel`
 * @param {Float32Array} image
 * @param {Float32Array} focus
 * @returns {Promise<{rendered: Float32Array, inFocusWeight: Float32Array, subjectConfidence: Float32Array}>}
 */
export async function run(model, image, focus) {
    if (image.length !== 4718592) {
        throw new RangeError('image: 4718592 values');
    }
    if (focus.length !== 4) {
        throw new RangeError('focus: 4 values');
    }
    const tensors = [
        new Tensor(image, [1, 1024, 1536, 3]),
        new Tensor(focus, [1, 1, 1, 4])
    ];
    const results = await model.run(tensors);
    const values = await Promise.all(results.map((result) => result.data()));
    for (const tensor of [...tensors, ...results]) {
        tensor.delete();
    }
    return /** @type {any} */ (Object.fromEntries(OUTPUTS.map((name, index) => [name, values[index]])));
}
