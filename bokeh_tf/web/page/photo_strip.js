// The photos at hand, to choose from: those that the page began with, and those that somebody chose or dropped.

/**
 * A photo's name, without its suffix, and where the browser has it.
 * @typedef {{name: string, address: string}} Photo
 */

/** Files that somebody chose, as photos of this page. @param {Iterable<File>} files @returns {Photo[]} */
export function photosOf(files) {
    // Their addresses last as long as the page, for each photo can be chosen again.
    return [...files].map((file) => ({name: file.name.replace(/\.[^.]*$/, ''), address: URL.createObjectURL(file)}));
}

export class PhotoStrip {
    /** @param {HTMLElement} row to fill @param {(photo: Photo) => void} choose is told which one was chosen */
    constructor(row, choose) {
        this.row = row;
        this.choose = choose;
        /** @type {Map<Photo, HTMLButtonElement>} */
        this.buttons = new Map();
    }

    /** @param {Photo[]} photos */
    add(photos) {
        for (const photo of photos) {
            const button = this.buttonOf(photo);
            this.buttons.set(photo, button);
            this.row.append(button);
        }
        this.hideIfNeedless();
    }

    /** What cannot be read is offered no longer. @param {Photo} photo */
    remove(photo) {
        this.buttons.get(photo)?.remove();
        this.buttons.delete(photo);
        this.hideIfNeedless();
    }

    /** Which one is looked at. @param {Photo} shown */
    mark(shown) {
        for (const [photo, button] of this.buttons) {
            button.setAttribute('aria-pressed', String(photo === shown));
        }
        const button = this.buttons.get(shown);
        if (button) {
            // Not `scrollIntoView`, which moves the whole page too.
            this.row.scrollLeft = button.offsetLeft - this.row.offsetLeft - (this.row.clientWidth - button.offsetWidth) / 2;
        }
    }

    /** @param {Photo} photo @returns {HTMLButtonElement} */
    buttonOf(photo) {
        const image = new Image();
        // Only what is seen is loaded: photos may be many, and large.
        image.loading = 'lazy';
        image.decoding = 'async';
        image.alt = '';
        image.src = photo.address;
        const button = document.createElement('button');
        button.type = 'button';
        button.title = photo.name;
        button.setAttribute('aria-label', photo.name);
        button.setAttribute('aria-pressed', 'false');
        button.append(image);
        button.addEventListener('click', () => this.choose(photo));
        return button;
    }

    /** A choice of one is none. */
    hideIfNeedless() {
        this.row.hidden = this.buttons.size < 2;
    }
}
