// A short look at the real vLLM behind the server, through the AI SDK: answers of a few tokens.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { generateText, streamText } from 'ai';

const repertory = createOpenAICompatible({
  name: 'repertory',
  baseURL: `${process.env.REPERTORY_URL}/v1`,
  apiKey: process.env.REPERTORY_KEY,
  includeUsage: true,
});

test('the AI SDK answers and streams the same', async () => {
  const asked = {
    model: repertory.chatModel('scrum-coach'),
    prompt: 'When is the status report due?',
    maxOutputTokens: 16,
    temperature: 0,
    maxRetries: 0,
  };
  const whole = await generateText(asked);
  const streamed = streamText(asked);
  assert.ok(whole.text);
  assert.equal(await streamed.text, whole.text);
  assert.equal((await streamed.usage).outputTokens, whole.usage.outputTokens);
});
