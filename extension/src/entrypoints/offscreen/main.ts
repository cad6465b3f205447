/** A page nobody sees, where a worker with the models may live: a service worker may start none. */

import { browser } from 'wxt/browser';
import { isMessage, type LookAnswer } from '../../messages';
import type { Answered, Asked } from '../judge';

// Of the runtime API an offscreen page has but messages, so the version comes with its address.
const worker = new Worker(`/judge.js${location.search}`);
const waiting = new Map<number, (answer: LookAnswer) => void>();
let next = 0;

worker.onmessage = ({ data }: MessageEvent<Answered>): void => {
  waiting.get(data.id)?.(data.answer);
  waiting.delete(data.id);
};

browser.runtime.onMessage.addListener(
  (message: unknown, _, respond: (answer: LookAnswer) => void) => {
    if (!isMessage(message) || message.type === 'wake') return false;
    const id = next++;
    const asked: Asked = { id, message };
    if (message.type === 'look') waiting.set(id, respond);
    worker.postMessage(asked);
    return message.type === 'look';
  },
);
