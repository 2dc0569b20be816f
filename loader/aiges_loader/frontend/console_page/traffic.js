// From two statuses of a service to what happened between them. Pure.

// Returns {requests, errors, p50, p95, cpu, memory}: rates per second, seconds, shares of a
// CPU and bytes by worker; null where nothing is known.
export function between(before, after) {
  const seconds = after.uptime_seconds - before.uptime_seconds;
  const counts = after.requests.by_duration.map((n, i) => n - before.requests.by_duration[i]);
  const total = counts.reduce((sum, n) => sum + n, 0);
  const failed = failures(after.requests.by_code) - failures(before.requests.by_code);
  const bounds = after.requests.duration_bounds;
  const cpu = {};
  const memory = {};
  for (const worker of after.workers) {
    const earlier = before.workers.find((other) => other.pid === worker.pid && other.pid !== null);
    const name = String(worker.number);
    if (worker.pid === null) continue;
    memory[name] = (memory[name] ?? 0) + worker.rss_bytes;
    const spent = earlier ? (worker.cpu_seconds - earlier.cpu_seconds) / seconds : null;
    if (spent !== null) cpu[name] = Math.max(0, spent) + (cpu[name] ?? 0);
  }
  return {
    requests: total / seconds,
    errors: failed / seconds,
    p50: quantile(0.5, counts, bounds),
    p95: quantile(0.95, counts, bounds),
    cpu,
    memory,
  };
}

const failures = (codes) =>
  Object.entries(codes).reduce((sum, [code, n]) => sum + (code === "0" ? 0 : n), 0);

// Returns about how long the given share of requests took at most: within its class, as if they
// were spread evenly. What took longer than the last bound counts as that.
export function quantile(share, counts, bounds) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  if (total === 0) return null;
  let left = share * total;
  for (const [i, count] of counts.entries()) {
    if (count && left <= count) {
      const low = i === 0 ? 0 : bounds[i - 1];
      const high = bounds[i] ?? low;
      return low + (left / count) * (high - low);
    }
    left -= count;
  }
  return bounds.at(-1);
}
