// What each policy counts, as facts: `now` is a number that goes up and down, `total` one that only grows, and `bad` says that
// callers do not want to see it.

import { count, plural, share, took } from "./format.js";

const now = (label, text, bad = false) => ({ label, text, bad });
const total = (label, value, bad = false) => ({ label, total: value, bad: bad && value > 0 });
const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);

// { does, facts } of a stage; `told` is all that /pipelines and the board say.
export function readStage(stage, service, told) {
  const read = STAGES[stage.name];
  const policy = stage.policy;
  if (!read || (policy === null && stage.name !== "Breaker")) return { does: "", facts: [] };
  const [does, facts] = read(policy, service, told);
  return { does, facts: facts.filter(Boolean) };
}

const STAGES = {
  Fallback: (policy, service, told) => {
    const own = told.fallbacks.find((one) => one.service === service);
    const answered = (own?.by_kind ?? []).filter((one) => one.answered > 0).map((one) => total(`by ${one.kind.replaceAll("_", " ")}`, one.answered));
    return [policy.rejected_only ? "answers in place of rejections" : "answers in place of failures and rejections",
      [...answered, own && total("without an answer", own.unanswered, true)]];
  },
  RateLimiter: (policy) => ["lets so many calls through per second", [
    total("admitted", policy.totals.admitted), total("rejected", policy.totals.rejected, true), now("may go at once", count(policy.available)),
    policy.share < 1 && now("of its rate in force", share(policy.share), true)]],
  Deadline: (policy) => [`the whole call ends within ${took(policy.span_nanos / 1e9)}`, []],
  Scopes: (policy) => ["says whose failures they are", Object.entries(policy.blamed).map(([whose, blamed]) => total(whose, blamed))],
  Balancer: (policy) => {
    const fit = policy.endpoints.filter((one) => one.healthy && one.ejected_until === null).length;
    return [`picks an endpoint, ${String(policy.strategy).replaceAll("_", " ")}`, [
      now("endpoints fit", `${fit} of ${count(policy.endpoints.length)}`, fit < policy.endpoints.length),
      total("picked", sum(policy.endpoints.map((one) => one.picked))), total("none was fit", policy.refused, true)]];
  },
  Throttle: (policy) => ["turns a share away while the dependency refuses", [
    total("let through", sum(policy.totals.sent)), total("turned away", sum(policy.totals.throttled), true),
    now("chance to be turned away", share(Math.max(...policy.chances)), Math.max(...policy.chances) > 0)]],
  Bulkhead: (policy) => ["so many calls at once, the others wait", places(policy)],
  Pool: (policy) => ["runs calls on threads of its own", places(policy)],
  Breaker: (_, service, told) => {
    const rows = told.circuits.filter((row) => row.service === service);
    const shut = rows.filter((row) => row.state !== "closed").length;
    return ["does not call what is failing", [
      now("not closed", `${shut} of ${plural(rows.length, "circuit")}`, shut > 0),
      now("calls/s", count(sum(rows.map((row) => row.calls_per_second)))),
      now("rejected/s", count(sum(rows.map((row) => row.rejected_per_second))), rows.some((row) => row.rejected_per_second > 0))]];
  },
  Retry: ({ max_attempts, budget }) => [`tries again, ${plural(max_attempts, "attempt")} in all`, budget ? [
    total("first tries", budget.first_tries), total("retries", budget.granted), total("not paid for", budget.denied, true),
    now("retries it would pay for", count(budget.available), budget.available === 0)] : []],
  Hedge: (policy) => [`sends a second attempt after ${took(policy.delay_nanos / 1e9)}`, [
    total("hedges", policy.hedges), total("answered first", policy.wins), total("not paid for", policy.denied, true)]],
  Timeout: (policy) => [`an attempt may take ${took(policy.span_nanos / 1e9)}`, [
    policy.timed_out !== undefined && total("cut off", policy.timed_out, true)]],
};

function places(policy) {
  const full = policy.in_use >= policy.capacity;
  return [
    now("in use", `${count(policy.in_use)} of ${count(policy.capacity)}`, full), now("waiting", count(policy.waiting), policy.waiting > 0),
    total("admitted", policy.admitted), total("refused", sum(Object.values(policy.refused)), true)];
}
