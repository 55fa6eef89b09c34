// Anthropic's client, against the server in argv; what came back, as JSON.
import Anthropic from "@anthropic-ai/sdk";

const client = new Anthropic({ baseURL: process.argv[2], apiKey: "any" });
const model = "hollie";
const messages = [{ role: "user", content: "Hi, my name is Maria." }];
const seen = {};
seen.message = await client.messages.create({ model, messages, max_tokens: 20, temperature: 0 });
const stream = client.messages.stream({ model, messages, max_tokens: 20, temperature: 0 });
seen.streamed = await stream.finalMessage();
const tools = [{ name: "get_current_weather", description: "Get the weather in a city", input_schema: { type: "object", required: ["city"], properties: { city: { type: "string", description: "The name of the city" } } } }];
seen.tools = await client.messages.create({ model, max_tokens: 100, temperature: 0, tools, messages: [{ role: "user", content: "What is the weather in Paris?" }] });
seen.count = await client.messages.countTokens({ model, messages });
seen.missing = await client.messages.create({ model: "nobody", messages, max_tokens: 5 }).catch((error) => ({ status: error.status, type: error.error?.error?.type }));
console.log(JSON.stringify(seen));
