// What an error means and what to do about it. Pure.

const KNOWN = new Set([10000, 10001, 10009, 10102, 10106, 10109, 10110, 10114, 10163, 30003]);

// Returns {title: {key, values}, advice: key} for a CallError, or any other error.
export function adviceFor(error) {
  if (error.code) {
    const advice = KNOWN.has(error.code) ? `advice-${error.code}` : "advice-wrapper";
    return { title: { key: "error-code", values: { code: error.code } }, advice };
  }
  if (error.key) return { title: { key: `error-${error.key}` }, advice: `advice-${error.key}` };
  return { title: { key: "error-page" }, advice: "advice-page" };
}
