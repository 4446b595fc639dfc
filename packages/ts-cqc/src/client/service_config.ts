import type { DescService } from "@bufbuild/protobuf";
import {
  AssetRegistry,
  EventLog,
  MarketData,
  Portfolio,
  RiskEngine,
  VenueGateway,
} from "../gen/cqc/services/v1/index.js";
import { isRepeatable, RETRY } from "./retry_policy.js";

/** The services of CQC. */
export const CONTRACTS: readonly DescService[] = [
  AssetRegistry,
  EventLog,
  MarketData,
  Portfolio,
  RiskEngine,
  VenueGateway,
];

/**
 * Returns gRPC's service config as JSON: retries of the methods that can be repeated. The default is that of all services
 * of CQC, the same text in the packages of all languages.
 */
export function serviceConfig(services: readonly DescService[] = CONTRACTS): string {
  const name = services
    .flatMap(({ methods }) => methods.filter(isRepeatable))
    .map(({ name, parent }) => ({ method: name, service: parent.typeName }))
    .sort((one, other) => compare(one.service, other.service) || compare(one.method, other.method));
  const retryPolicy = {
    backoffMultiplier: 2,
    initialBackoff: `${RETRY.initialBackoffMs / 1000}s`,
    maxAttempts: RETRY.maxAttempts,
    maxBackoff: `${RETRY.maxBackoffMs / 1000}s`,
    retryableStatusCodes: ["UNAVAILABLE"],
  };
  return JSON.stringify({
    methodConfig: name.length > 0 ? [{ name, retryPolicy }] : [],
    retryThrottling: { maxTokens: RETRY.maxTokens, tokenRatio: RETRY.tokenRatio },
  });
}

function compare(one: string, other: string): number {
  return Number(one > other) - Number(one < other);
}
