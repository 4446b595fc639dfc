// OpenTelemetry for gRPC with the spans kept in memory. It has to be loaded before @grpc/grpc-js.
const { registerInstrumentations } = require("@opentelemetry/instrumentation");
const { GrpcInstrumentation } = require("@opentelemetry/instrumentation-grpc");
const { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } = require("@opentelemetry/sdk-trace-node");

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
registerInstrumentations({ instrumentations: [new GrpcInstrumentation()] });

const client = 2;
const server = 1;

/** Throws unless the spans are one trace, from a client to a server, without the token. */
exports.check = function check() {
  const spans = exporter.getFinishedSpans();
  const sent = spans.find((span) => span.kind === client && span.name.includes("GetPrice"));
  const received = spans.find((span) => span.kind === server && span.name.includes("GetPrice"));
  if (!sent || !received) throw new Error(`the spans are only ${spans.map((span) => `${span.kind} ${span.name}`)}`);
  const parent = received.parentSpanContext;
  if (parent?.spanId !== sent.spanContext().spanId)
    throw new Error("the server's span is not the child of the client's");
  if (parent.traceId !== sent.spanContext().traceId) throw new Error("two traces");
  for (const { name, attributes, events, status } of spans) {
    if (JSON.stringify({ attributes, events, status }).includes("secret"))
      throw new Error(`${name} contains the token`);
  }
  return "ok";
};
