// One model in a frame of its own: what the command may ask for, by name.

import {getWebGpuDevice, loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

const ARRAYS = {float32: Float32Array, int32: Int32Array, uint8: Uint8Array};
const RUNTIME = 'node_modules/@litertjs/core/wasm/';
const NS_PER_MS = 1e6;
const CLOCK_STEPS = 100;

/**
 * `order` is, for each output that is asked for, its place among the results.
 * @type {{compiled: object, content: Uint8Array, options: object, inputs: Tensor[], order: number[], results: Tensor[],
 *     isOnGpu: boolean}}
 */
let model = null;
let clockStepNs = 1;
let wasHidden = false;
document.addEventListener('visibilitychange', () => (wasHidden ||= document.hidden));

/** What is shorter than a step of the clock counts as one. @param {number} startMs @returns {number} nanoseconds */
function sinceNs(startMs) {
    return Math.max(clockStepNs, Math.round((performance.now() - startMs) * NS_PER_MS));
}

/** The smallest step that the clock is seen to make. @returns {number} nanoseconds */
function smallestStepNs() {
    let smallest = Infinity;
    for (let last = performance.now(), steps = 0; steps < CLOCK_STEPS; ) {
        const now = performance.now();
        if (now > last) {
            smallest = Math.min(smallest, now - last);
            last = now;
            steps++;
        }
    }
    return Math.max(1, Math.round(smallest * NS_PER_MS));
}

/** What the browser says of the GPU that computes, as `messages.Adapter`. @param {any} device a GPUDevice */
function adapterFacts(device) {
    const info = device.adapterInfo ?? {};
    const {vendor = '', architecture = '', device: name = '', description = ''} = info;
    const hasFloat16 = device.features.has('shader-f16');
    const isFallback = Boolean(info.isFallbackAdapter);
    return {vendor, architecture, device: name, description, is_fallback: isFallback, has_float16: hasFloat16};
}

/** The device that LiteRT.js computes on, looked at before it is used. @param {string} precision */
function requiredDevice(precision) {
    const device = getWebGpuDevice();
    if (!device) {
        throw new Error('this browser has no WebGPU adapter: it needs a newer one, or the GPU is blocked');
    }
    if (precision === 'fp16' && !device.features.has('shader-f16')) {
        throw new Error('this adapter has no half precision (shader-f16)');
    }
    return device;
}

/** @param {string} place @returns {Promise<ArrayBuffer>} */
async function fetched(place) {
    const answer = await fetch(place);
    if (!answer.ok) {
        throw new Error(`${place}: status ${answer.status}`);
    }
    return answer.arrayBuffer();
}

/** Places of the wanted names among what is found, or as they stand where the names are others. */
function placesOf(wanted, found) {
    if (wanted.length !== found.length) {
        throw new Error(`LiteRT.js sees ${found.length} inputs or outputs, not ${wanted.length}`);
    }
    const places = wanted.map((name) => found.findIndex((one) => one.name === name));
    const isWhole = new Set(places).size === wanted.length && !places.includes(-1);
    return isWhole ? places : wanted.map((_, place) => place);
}

/** The inputs in the model's order, where it takes them from. */
async function tensorsOf(wanted, details, isOnGpu) {
    const tensors = [];
    for (const [index, place] of placesOf(wanted.map(({name}) => name), details).entries()) {
        const {place: address, type, shape} = wanted[index];
        const tensor = new Tensor(new ARRAYS[type](await fetched(address)), shape);
        tensors[place] = isOnGpu ? await tensor.moveTo('webgpu') : tensor;
    }
    return tensors;
}

/** Loads LiteRT.js, then the model; its bytes are here before the clock starts. */
async function open(request) {
    const isOnGpu = request.accelerator === 'webgpu';
    const begin = performance.now();
    await loadLiteRt(RUNTIME, {threads: request.threads > 1});
    const runtimeLoadNs = sinceNs(begin);
    const device = isOnGpu ? requiredDevice(request.precision) : null;
    clockStepNs = smallestStepNs();
    const content = new Uint8Array(await fetched(request.model));
    const cpuOptions = {numThreads: request.threads};
    const options = {accelerator: request.accelerator, cpuOptions, gpuOptions: {precision: request.precision}};
    const start = performance.now();
    const compiled = await loadAndCompile(content, options);
    const coldInitNs = sinceNs(start);
    const order = placesOf(request.outputs, compiled.getOutputDetails());
    const inputs = await tensorsOf(request.inputs, compiled.getInputDetails(), isOnGpu);
    model = {compiled, content, options, inputs, order, results: [], isOnGpu};
    return {
        cold_init_ns: coldInitNs,
        runtime_load_ns: runtimeLoadNs,
        clock_step_ns: clockStepNs,
        is_fully_accelerated: compiled.isFullyAccelerated,
        adapter: device && adapterFacts(device),
    };
}

/** @returns {Promise<number>} nanoseconds */
async function timedRun() {
    for (const result of model.results) {
        result.delete();
    }
    model.results = [];
    const start = performance.now();
    model.results = await model.compiled.run(model.inputs);
    if (model.isOnGpu) {
        await getWebGpuDevice().queue.onSubmittedWorkDone();
    }
    return sinceNs(start);
}

/** Timed runs in sight: where the page was hidden meanwhile, all are done again. */
async function run({runs, settle}, {seen}) {
    for (;;) {
        await seen();
        wasHidden = false;
        if (settle) {
            await timedRun();
        }
        const times = [];
        while (times.length < runs) {
            times.push(await timedRun());
        }
        // The browser says only now whether the page was hidden while it was busy.
        await new Promise((resolve) => setTimeout(resolve));
        if (!wasHidden && !document.hidden) {
            return {times_ns: times};
        }
    }
}

/** Sends the outputs of the last run. */
async function read(_request, {number}) {
    if (model.results.length === 0) {
        await timedRun();
    }
    for (const [place, source] of model.order.entries()) {
        const body = new Blob([await model.results[source].data()]);
        const answer = await fetch(`output/${number}/${place}`, {method: 'POST', body});
        if (!answer.ok) {
            throw new Error(`output ${place}: refused with status ${answer.status}`);
        }
    }
    return {};
}

/** Compiles again once the first model is gone: there are threads for one. */
async function recompile() {
    const {compiled, content, options} = model;
    compiled.delete();
    const start = performance.now();
    model.compiled = await loadAndCompile(content, options);
    return {warm_init_ns: sinceNs(start)};
}

export const work = {open, run, read, recompile};
