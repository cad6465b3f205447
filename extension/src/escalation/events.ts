/** Server-sent events, as the HTML standard writes them, from an answer that streams in. */

import { MAX_ANSWER_BYTES } from './exchange';

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/**
 * The events of an answer until it ends.
 *
 * @param heard told of every piece that comes, a comment or not: the other side lives.
 */
export async function* serverEvents(
  body: ReadableStream<Uint8Array<ArrayBuffer>>,
  heard: () => void,
): AsyncGenerator<ServerEvent> {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  try {
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      heard();
      text += read.value;
      if (text.length > MAX_ANSWER_BYTES) return;
      // A "\r" at the end may be half of a line's end.
      const whole = text.endsWith('\r') ? text.length - 1 : text.length;
      const blocks = text.slice(0, whole).replace(/\r\n?/g, '\n').split('\n\n');
      text = (blocks.pop() ?? '') + text.slice(whole);
      for (const block of blocks) {
        const event = parsed(block);
        if (event !== undefined) yield event;
      }
    }
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

/** An event of its lines; undefined where they tell of none. */
function parsed(block: string): ServerEvent | undefined {
  let event = 'message';
  const data: string[] = [];
  for (const line of block.split('\n')) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === 'event') event = value ?? '';
    if (name === 'data') data.push(value ?? '');
  }
  return data.length > 0 ? { event, data: data.join('\n') } : undefined;
}
