// Unpacks Chromium into the temporary folder of the environment: the program, the libraries and the fonts that a machine
// without a desktop does not have.
process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs22.x"; // The libraries are unpacked for this environment only.
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
