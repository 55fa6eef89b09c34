// Everything that the official client does, against the server in argv; what came back, as JSON.
import { createHash } from "node:crypto";
import { Ollama } from "ollama";

const host = process.argv[2];
const client = new Ollama({ host });
const model = "hollie";
const messages = [{ role: "user", content: "Hi, my name is Maria." }];
const options = { temperature: 0, num_predict: 20 };
const tool = {
  type: "function",
  function: {
    name: "get_current_weather",
    description: "Get the weather in a city",
    parameters: { type: "object", required: ["city"], properties: { city: { type: "string", description: "The name of the city" } } },
  },
};
const schema = { type: "object", required: ["name"], properties: { name: { type: "string" } } };
const seen = {};

async function gathered(stream, text) {
  let whole = "";
  let last;
  for await (const part of stream) {
    whole += text(part);
    last = part;
  }
  return { whole, done: last.done, reason: last.done_reason, count: last.eval_count };
}

seen.version = await client.version();
seen.chat = await client.chat({ model, messages, options });
seen.chatStream = await gathered(await client.chat({ model, messages, options, stream: true }), (part) => part.message.content);
seen.generate = await client.generate({ model, prompt: "What is a HEF?", options });
seen.generateStream = await gathered(await client.generate({ model, prompt: "What is a HEF?", options, stream: true }), (part) => part.response);
const asked = [{ role: "user", content: "What is the weather in Paris?" }];
seen.tools = await client.chat({ model, messages: asked, tools: [tool], options: { temperature: 0 } });
seen.format = await client.chat({ model, messages, format: schema, options: { temperature: 0, num_predict: 200 } });
seen.show = await client.show({ model });
await client.copy({ source: model, destination: "twin" });
seen.created = [];
for await (const step of await client.create({ model: "pirate", from: model, system: "You are a pirate.", stream: true })) seen.created.push(step.status);
seen.createdWhole = await client.create({ model: "pirate", from: model, stream: false });
seen.list = (await client.list()).models.map((one) => one.name).sort();
seen.ps = (await client.ps()).models.map((one) => one.name);
for (const name of ["twin", "pirate"]) await client.delete({ model: name });
seen.embed = (await client.embed({ model, input: ["one", "two"] }).catch((error) => ({ error: String(error) }))).embeddings?.map((one) => one.length);

async function refusal(call) {
  try {
    await call();
  } catch (error) {
    return { status: error.status_code, text: error.error ?? error.message };
  }
}
seen.missing = await refusal(() => client.chat({ model: "nobody", messages }));
seen.pull = await refusal(async () => {
  for await (const step of await client.pull({ model: "nobody", stream: true })) seen.pulling = step.status;
});
seen.aborted = await refusal(async () => {
  const stream = await client.generate({ model, prompt: "Tell me everything.", stream: true, options: { num_predict: -1, regex: "[a-z]{9000}" } });
  for await (const _ of stream) stream.abort();
});
const data = new TextEncoder().encode("a blob");
const digest = "sha256:" + createHash("sha256").update(data).digest("hex");
seen.blob = [];
for (const method of ["HEAD", "POST", "HEAD"]) {
  const answer = await fetch(`${host}/api/blobs/${digest}`, { method, body: method === "POST" ? data : undefined });
  seen.blob.push(answer.status);
}
console.log(JSON.stringify(seen));
