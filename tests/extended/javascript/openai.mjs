// OpenAI's client, against the server in argv; what came back, as JSON.
import OpenAI from "openai";

const client = new OpenAI({ baseURL: `${process.argv[2]}/v1`, apiKey: "any" });
const model = "hollie";
const messages = [{ role: "user", content: "Hi, my name is Maria." }];
const seen = {};
seen.chat = await client.chat.completions.create({ model, messages, temperature: 0, max_tokens: 20 });
seen.streamed = "";
const stream = await client.chat.completions.create({
  model, messages, temperature: 0, max_tokens: 20, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  seen.streamed += chunk.choices[0]?.delta?.content ?? "";
  seen.usage = chunk.usage ?? seen.usage;
}
const response = await client.responses.create({ model, input: messages[0].content, temperature: 0, max_output_tokens: 20 });
seen.response = response.output_text;
seen.events = [];
const events = await client.responses.create({ model, input: "hello!", temperature: 0, max_output_tokens: 20, stream: true });
for await (const event of events) seen.events.push(event.type);
seen.models = (await client.models.list()).data.map((one) => one.id);
seen.embedding = await client.embeddings.create({ model, input: "one" }).then((found) => found.data[0].embedding.length, (error) => String(error));
seen.missing = await client.chat.completions.create({ model: "nobody", messages }).catch((error) => ({ status: error.status, type: error.type }));
console.log(JSON.stringify(seen));
