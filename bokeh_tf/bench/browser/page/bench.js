// Speaks to the command: asks for work, lets a frame do it, and sends what came out.
//
// Each model has a frame of its own, with a LiteRT.js of its own: the threads of one cannot be had by more than one
// model, and whoever waits for a thread that never comes waits for ever.

const PAUSE_MS = 1000;
// How the command answers what is no message, or too long a one.
const NO_MESSAGE = [400, 413];
const FRAME = 'index.html?frame';
// What a frame says to its page; anything else is why it cannot work.
const READY = 'ready';
const PAGE = Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

// What a page says first, and, as that may be lost, each time.
const FACTS = {
    user_agent: navigator.userAgent,
    logical_cores: navigator.hardwareConcurrency ?? 1,
    is_isolated: crossOriginIsolated,
};

/** @type {Map<string, HTMLIFrameElement>} */
const frames = new Map();

/** @param {string} text */
function say(text) {
    document.getElementById('status').textContent = text;
}

/** @param {number} milliseconds */
function sleep(milliseconds) {
    return new Promise((resolve) => setTimeout(resolve, milliseconds));
}

/** @param {object} message what `messages.Exchange` says, without the page */
function send(message) {
    const body = JSON.stringify({page: PAGE, facts: FACTS, is_hidden: document.hidden, ...message});
    return fetch('exchange', {method: 'POST', headers: {'Content-Type': 'application/json'}, body});
}

/**
 * Sends until it arrives; a connection that is lost comes back. Where what came out is refused, the command hears
 * that, for it waits. @returns {Promise<object>}
 */
async function exchange(message) {
    for (;;) {
        try {
            const answer = await send(message);
            if (answer.ok) {
                return await answer.json();
            }
            if (message.answer && NO_MESSAGE.includes(answer.status)) {
                const error = `the command refused what came out, with status ${answer.status}`;
                message = {answer: {number: message.answer.number, error}};
            }
            throw new Error(`refused with status ${answer.status}`);
        } catch (error) {
            say(`No connection to the command (${error.message}). Where it has ended, this page can be closed.`);
            await sleep(PAUSE_MS);
        }
    }
}

/** What is done while nobody sees the page is no timing: waits until somebody does. */
async function seen() {
    while (document.hidden) {
        // The command hears of it, also where the page was never in sight.
        await send({}).catch(() => null);
        await sleep(PAUSE_MS);
    }
}

/** What can be asked of a frame: `work` of work.js. @param {any} frame @returns {any} */
function workOf(frame) {
    return frame.contentWindow.work;
}

/** A new frame in which a model can be opened. @param {string} key @returns {Promise<object>} its `work` */
async function newFrame(key) {
    frames.get(key)?.remove();
    const frame = document.createElement('iframe');
    frame.hidden = true;
    frame.src = FRAME;
    frame.title = key;
    const ready = new Promise((resolve, reject) => addEventListener('message', function heard(event) {
        if (event.source === frame.contentWindow) {
            removeEventListener('message', heard);
            event.data === READY ? resolve() : reject(new Error(event.data));
        }
    }));
    document.body.append(frame);
    frames.set(key, frame);
    await ready;
    return workOf(frame);
}

/** @param {number} number @param {object} request @returns {Promise<object>} what `messages.Answer` says */
async function answerTo(number, request) {
    try {
        const work = request.do === 'open' ? await newFrame(request.key) : workOf(frames.get(request.key));
        return {number, content: await work[request.do](request, {number, seen})};
    } catch (error) {
        return {number, error: String(error?.message ?? error).slice(0, 900)};
    }
}

/** @param {string} text */
function note(text) {
    const line = document.createElement('li');
    line.textContent = text;
    document.getElementById('log').append(line);
    line.scrollIntoView({block: 'nearest'});
}

export async function start() {
    addEventListener('pagehide', () => {
        const body = JSON.stringify({page: PAGE, is_leaving: true});
        navigator.sendBeacon('exchange', new Blob([body], {type: 'application/json'}));
    });
    // A page that comes back from the browser's memory had said that it leaves.
    addEventListener('pageshow', (event) => event.persisted && location.reload());
    for (let answer = null; ; ) {
        await seen();
        const {stop, number, request} = await exchange({answer});
        answer = null;
        if (stop) {
            say(stop);
            return;
        }
        if (request) {
            say(`${request.do}: ${request.key}`);
            answer = await answerTo(number, request);
            note(answer.error ? `${request.key}: ${answer.error}` : `${request.do}: ${request.key}`);
        } else {
            say('Waiting for the command.');
        }
    }
}

if (parent === window) {
    start().catch((error) => say(`Not done: ${error.message}`));
} else {
    import('./work.js').then(({work}) => {
        Object.assign(window, {work});
        return READY;
    }).catch((error) => `LiteRT.js cannot be loaded: ${error.message}`).then((told) => {
        parent.postMessage(told, location.origin);
    });
}
