/** What happens to questions when the worker with the models breaks. */

import { expect, test } from 'vitest';
import { ModelWorker } from '../../src/judge/worker';
import { Client } from '../../src/rpc';

interface Asking {
  echo: { request: { readonly of: string }; answer: string; progress: never };
}

/** Answers with the name it was started under, unless it is asked to break. */
class EchoingWorker extends EventTarget {
  terminated = false;

  postMessage({ id, request }: { id: number; request: { of: string } }): void {
    queueMicrotask(() => {
      if (this.terminated) return;
      if (request.of === 'break') this.dispatchEvent(new Event('error'));
      else this.dispatchEvent(new MessageEvent('message', { data: { id, answer: request.of } }));
    });
  }

  terminate(): void {
    this.terminated = true;
  }
}

function setUp(): { started: EchoingWorker[]; worker: ModelWorker; ask: Ask; wait: Wait } {
  const started: EchoingWorker[] = [];
  let now = 0;
  const start = (): Worker => {
    started.push(new EchoingWorker());
    return started.at(-1) as unknown as Worker;
  };
  const worker = new ModelWorker(start, () => now);
  const client = new Client<Asking>(worker);
  return {
    started,
    worker,
    ask: (of) => client.ask('echo', { of }),
    wait: (seconds) => (now += seconds * 1000),
  };
}

type Ask = (of: string) => Promise<string>;
type Wait = (seconds: number) => void;

test('it is started with the first question, once', async () => {
  const { started, ask } = setUp();
  expect(started.length).toBe(0);
  expect(await Promise.all([ask('a'), ask('b')])).toEqual(['a', 'b']);
  expect(started.length).toBe(1);
});

test('when it breaks all who wait are told, and later it is started anew', async () => {
  const { started, ask, wait } = setUp();
  const asked = ['break', 'a'].map((of) => ask(of));
  for (const one of asked) await expect(one).rejects.toThrow('judge_unavailable');
  expect(started[0]!.terminated).toBe(true);
  wait(5);
  await expect(ask('a')).rejects.toThrow('judge_unavailable');
  expect(started.length).toBe(1);
  wait(10);
  expect(await ask('a')).toBe('a');
  expect(started.length).toBe(2);
});

test('one that was stopped starts again with the next question', async () => {
  const { started, worker, ask } = setUp();
  await ask('a');
  worker.stop();
  expect(started[0]!.terminated).toBe(true);
  expect(await ask('b')).toBe('b');
  expect(started.length).toBe(2);
});
