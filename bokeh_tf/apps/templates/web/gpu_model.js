// Runs @@{asset} on the GPU through WebGPU, or on the CPU where the browser has none or it refuses the file.
// Made by bokeh-tf @@{version} for the file with sha256 @@{sha256}; yours to change.
// @@{tried}
//
// Inputs:
@@{inputs}
// Outputs:
@@{outputs}

import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

const ASSET = '@@{asset}';
const RUNTIME = 'node_modules/@litertjs/core/wasm/';
const OUTPUTS = [@@{names}];

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
@@{parameter_docs}
 * @returns {Promise<{@@{result_type}}>}
 */
export async function run(model, @@{parameters}) {
@@{checks}
    const tensors = [
@@{tensors}
    ];
    const results = await model.run(tensors);
    const values = await Promise.all(results.map((result) => result.data()));
    for (const tensor of [...tensors, ...results]) {
        tensor.delete();
    }
    return /** @type {any} */ (Object.fromEntries(OUTPUTS.map((name, index) => [name, values[index]])));
}
