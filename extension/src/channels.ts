/** Channels for rpc.ts: ports of the extension, and workers. */

import type { Browser } from 'wxt/browser';
import type { Channel } from './rpc';

export function portChannel(port: Browser.runtime.Port): Channel {
  return {
    post: (message) => {
      port.postMessage(message);
    },
    listen: (heard) => {
      port.onMessage.addListener(heard);
    },
    closed: (gone) => {
      port.onDisconnect.addListener(gone);
    },
  };
}

/** A worker, or in the worker the page that started it. */
export function workerChannel(worker: Worker | DedicatedWorkerGlobalScope): Channel {
  return {
    post: (message, transfer = []) => {
      worker.postMessage(message, transfer);
    },
    listen: (heard) => {
      worker.addEventListener('message', (event) => {
        heard((event as MessageEvent<unknown>).data);
      });
    },
    closed: (gone) => {
      worker.addEventListener('error', () => {
        gone();
      });
    },
  };
}
