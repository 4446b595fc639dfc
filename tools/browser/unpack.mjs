// Unpacks Chromium into the temporary folder, with the libraries and fonts that a machine without a desktop lacks.
process.env.AWS_LAMBDA_JS_RUNTIME = "nodejs22.x"; // The libraries are unpacked for this runtime only.
const { default: chromium } = await import("@sparticuz/chromium");
await chromium.executablePath();
