// SPDX-License-Identifier: MIT
//
// Sends texts through a ring in a file of the mount, or receives them (../README.md).
//
//	node ring.mjs send FILE TEXT...
//	node ring.mjs receive FILE COUNT
//
// Node.js cannot map a file without a package. Reading and writing it reaches the same
// memory, in both modes of the mount, and every call is seen before the next one.
import { constants, open } from 'node:fs/promises';
import { setTimeout as nap } from 'node:timers/promises';

const SIZE = 4096, SLOTS = 15, SLOT = 256, TEXT_MAX = 252;
const VERSION = 0, HEAD = 64, TAIL = 128;

class Ring {
	constructor(file) {
		this.file = file;
	}

	static async open(path) {
		const file = await open(path, constants.O_RDWR | constants.O_CREAT, 0o644);
		const ring = new Ring(file);

		// A new file is empty, and a ring of zeros is an empty ring: it takes no creator.
		if ((await file.stat()).size === 0)
			await file.truncate(SIZE);
		if ((await file.stat()).size !== SIZE || await ring.load(VERSION) > 1)
			throw new Error(`${path} is no ring of version 1`);
		await ring.store(VERSION, 1);
		return ring;
	}

	// Of the words here only one byte ever changes, so they are never half there.
	async load(at) {
		const { buffer } = await this.file.read(Buffer.alloc(4), 0, 4, at);
		return buffer.readUInt32LE();
	}

	async store(at, value) {
		const word = Buffer.alloc(4);

		word.writeUInt32LE(value);
		await this.file.write(word, 0, 4, at);
	}

	async send(text) {
		const head = await this.load(HEAD);
		const at = SLOT * (1 + head);

		// Full: nothing wakes us, a millisecond is soon enough.
		while ((head + 1) % SLOTS === await this.load(TAIL))
			await nap(1);
		await this.store(at, text.length);
		await this.file.write(text, 0, text.length, at + 4);
		// Last: who sees it sees the text.
		await this.store(HEAD, (head + 1) % SLOTS);
	}

	async receive() {
		const tail = await this.load(TAIL);
		const at = SLOT * (1 + tail);

		while (await this.load(HEAD) === tail)
			await nap(1);
		const length = Math.min(await this.load(at), TEXT_MAX);
		const { buffer } = await this.file.read(Buffer.alloc(length), 0, length, at + 4);
		await this.store(TAIL, (tail + 1) % SLOTS);
		return buffer.toString();
	}
}

const [verb, path, ...words] = process.argv.slice(2);
if (!words.length || !['send', 'receive'].includes(verb) ||
    verb === 'receive' && words.length > 1) {
	console.error('usage: ring send FILE TEXT... | ring receive FILE COUNT');
	process.exit(2);
}
try {
	const texts = words.map(word => Buffer.from(word));
	if (texts.some(text => text.length > TEXT_MAX))
		throw new Error(`a text has at most ${TEXT_MAX} bytes`);
	const ring = await Ring.open(path);
	if (verb === 'send')
		for (const text of texts)
			await ring.send(text);
	else
		for (let left = Number(words[0]); left > 0; left--)
			console.log(await ring.receive());
	await ring.file.close();
} catch (error) {
	console.error(`ring: ${error.message}`);
	process.exitCode = 1;
}
