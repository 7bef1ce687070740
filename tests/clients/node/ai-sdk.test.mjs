// The AI SDK for Node, through both of its providers that speak OpenAI's chat protocol.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createOpenAI } from '@ai-sdk/openai';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { embedMany, generateText, isStepCount, Output, streamText, tool } from 'ai';
import { z } from 'zod';

const baseURL = `${process.env.REPERTORY_URL}/v1`;
const apiKey = process.env.REPERTORY_KEY;
const compatible = createOpenAICompatible({
  name: 'repertory',
  baseURL,
  apiKey,
  includeUsage: true,
  supportsStructuredOutputs: true,
});
const openai = createOpenAI({ baseURL, apiKey });
const providers = {
  '@ai-sdk/openai-compatible': {
    chat: (id) => compatible.chatModel(id),
    embedding: (id) => compatible.embeddingModel(id),
  },
  '@ai-sdk/openai': { chat: (id) => openai.chat(id), embedding: (id) => openai.embedding(id) },
};
const book = 'The book is called "Dune" and has 412 pages.';
const schema = z.object({ title: z.string(), pages: z.number().int() });
const weather = tool({
  inputSchema: z.object({ place: z.string() }),
  execute: async ({ place }) => `${place} is sunny`,
});
const asked = 'How is the weather in "Oslo"?';

for (const [name, provider] of Object.entries(providers)) {
  describe(name, () => {
    test('a whole answer has text and usage', async () => {
      const { text, usage, finishReason } = await generateText({
        model: provider.chat('plain'),
        prompt: 'Hi there',
        maxRetries: 0,
      });
      assert.equal(text, 'You said: Hi there');
      assert.equal(finishReason, 'stop');
      assert.equal(usage.totalTokens, usage.inputTokens + usage.outputTokens);
    });

    test('a stream says the same and ends with usage', async () => {
      const result = streamText({ model: provider.chat('plain'), prompt: 'Hi there', maxRetries: 0 });
      const parts = [];
      for await (const part of result.textStream) parts.push(part);
      assert.equal(parts.join(''), 'You said: Hi there');
      assert.ok(parts.length > 1);
      assert.ok((await result.usage).inputTokens > 0);
    });

    for (const persona of ['plain', 'librarian', 'guided', 'native']) {
      test(`a tool is run and its result told, whole (${persona})`, async () => {
        const { text, steps } = await generateText({
          model: provider.chat(persona),
          tools: { get_weather: weather },
          stopWhen: isStepCount(3),
          prompt: asked,
          maxRetries: 0,
        });
        assert.equal(text, 'The result is Oslo is sunny');
        assert.equal(steps.length, 2);
      });

      test(`a tool is run and its result told, streamed (${persona})`, async () => {
        const result = streamText({
          model: provider.chat(persona),
          tools: { get_weather: weather },
          stopWhen: isStepCount(3),
          prompt: asked,
          maxRetries: 0,
        });
        const kinds = new Set();
        for await (const part of result.fullStream) {
          assert.notEqual(part.type, 'error', part.error);
          kinds.add(part.type);
        }
        assert.ok(kinds.has('tool-call') && kinds.has('tool-result'));
        assert.equal(await result.text, 'The result is Oslo is sunny');
      });

      test(`an answer fits a schema, whole and streamed (${persona})`, async () => {
        const wanted = { model: provider.chat(persona), output: Output.object({ schema }), prompt: book, maxRetries: 0 };
        const { output } = await generateText(wanted);
        assert.deepEqual(output, { title: 'Dune', pages: 412 });
        const streamed = streamText(wanted);
        assert.deepEqual(await streamed.output, output);
      });
    }

    test('an action of the server is made within one answer', async () => {
      const { text } = await generateText({
        model: provider.chat('guided'),
        prompt: 'Look the contact "Ada" up.',
        maxRetries: 0,
      });
      assert.match(text, /who=Ada/);
    });

    test('a stream with citations ends well', async () => {
      const prompt = 'When does the library open on weekdays?';
      const result = streamText({ model: provider.chat('librarian'), prompt, maxRetries: 0 });
      for await (const part of result.fullStream) assert.notEqual(part.type, 'error', part.error);
      assert.match(await result.text, /opens at nine.*\[1\]/);
    });

    test('a forced tool is called', async () => {
      const { toolCalls } = await generateText({
        model: provider.chat('native'),
        tools: { get_weather: weather },
        toolChoice: 'required',
        prompt: 'Hello',
        maxRetries: 0,
      });
      assert.deepEqual(
        toolCalls.map((call) => call.toolName),
        ['get_weather'],
      );
    });

    test('embeddings', async () => {
      const { embeddings } = await embedMany({
        model: provider.embedding('all-MiniLM-L6-v2'),
        values: ['a', 'b'],
        maxRetries: 0,
      });
      assert.deepEqual(
        embeddings.map((one) => one.length),
        [384, 384],
      );
    });

    test('a refusal names its reason', async () => {
      await assert.rejects(
        generateText({ model: provider.chat('nobody'), prompt: 'Hi', maxRetries: 0 }),
        (error) => error.statusCode === 404 && /nobody/.test(error.message),
      );
    });
  });
}

test('citations are sources, whole and streamed (@ai-sdk/openai)', async () => {
  const asked = { model: openai.chat('librarian'), prompt: 'When does the library open on weekdays?', maxRetries: 0 };
  const whole = await generateText(asked);
  const streamed = streamText(asked);
  for (const sources of [whole.sources, await streamed.sources]) {
    assert.equal(sources.length, 1);
    assert.match(sources[0].url, /\/v1\/files\/.*#chars=/);
  }
});

test('the documented example runs', () => {
  const page = readFileSync(process.env.REPERTORY_DOCUMENT, 'utf8');
  const code = page.split('<!-- run: ai-sdk -->\n```js\n')[1].split('```')[0];
  const here = code.replace('http://127.0.0.1:8000/v1', baseURL).replace("'none'", `'${apiKey}'`);
  const example = join(import.meta.dirname, 'example.mjs');
  writeFileSync(example, here.replaceAll('scrum-coach', 'plain'));
  const said = execFileSync(process.execPath, [example], { encoding: 'utf8' });
  assert.equal(said.split('You said: When is the status report due?').length, 3);
});
