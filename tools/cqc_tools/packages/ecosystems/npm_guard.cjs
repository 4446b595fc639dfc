// Loaded into npm, which has no such limits of its own: what it sends to the registry stays there, and no answer is
// larger than expected. Only the download of a tarball may lead to another server: its bytes are compared.
const registry = new URL(process.env.CQC_REGISTRY);
const largest = Number(process.env.CQC_LARGEST_ANSWER);

for (const protocol of [require("node:http"), require("node:https")]) {
  const request = protocol.request;
  protocol.request = function (...given) {
    const sent = request.apply(this, given);
    const emit = sent.emit;
    sent.emit = function (event, ...values) {
      const problem = event === "response" && objection(sent, values[0]);
      if (!problem) return emit.call(this, event, ...values);
      // Once an answer has begun, destroying a request reports no error, and npm looks for it in the answer.
      this.res = null;
      emit.call(this, "error", problem);
      this.destroy();
      return true;
    };
    return sent;
  };
}

function objection(sent, answer) {
  const from = new URL(`${sent.protocol}//${sent.getHeader("host") ?? sent.host}`);
  const { location } = answer.headers;
  if (from.host === registry.host && answer.statusCode >= 300 && answer.statusCode < 400 && location) {
    const to = new URL(location, new URL(sent.path, from));
    const isDownload = sent.method === "GET" && sent.path.split("?")[0].endsWith(".tgz");
    const isUpgrade = to.hostname === from.hostname && from.protocol === "http:" && to.protocol === "https:";
    if (!isDownload && !isUpgrade && to.origin !== from.origin) {
      return failure(
        "ECQCREDIRECT",
        `${from.origin}${sent.path} redirects to another server: ${to.origin}${to.pathname}`,
      );
    }
  }
  const tooLarge = () => failure("ECQCSIZE", `the answer of ${from.origin}${sent.path} is too large`);
  if (Number(answer.headers["content-length"] ?? 0) > largest) return tooLarge();
  const push = answer.push;
  let size = 0;
  answer.push = function (chunk, ...rest) {
    size += chunk?.length ?? 0;
    if (size > largest) {
      this.destroy(tooLarge());
      return false;
    }
    return push.call(this, chunk, ...rest);
  };
}

function failure(code, message) {
  return Object.assign(new Error(message), { code });
}
