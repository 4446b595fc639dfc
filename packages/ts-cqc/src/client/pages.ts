import { ProtocolError } from "./errors.js";
import type { CallOptions } from "./types.js";

/** A response of a list. */
interface Page {
  readonly $typeName: string;
  readonly nextPageToken: string;
}

// `never` accepts every request type, so that the method's own type is inferred.
type List = (request: never, options?: CallOptions) => Promise<Page>;
type PageOf<L extends List> = Awaited<ReturnType<L>>;

/** Names of the repeated fields. */
type ListField<P> = { [K in keyof P]-?: P[K] extends readonly unknown[] ? K : never }[keyof P] & string;
type ItemOf<P, K extends keyof P> = P[K] extends readonly (infer T)[] ? T : never;

/**
 * Yields the items of a list, and fetches a page only when the items of the page before are used up.
 *
 *     for await (const trade of pages(marketData.listTrades, { venueSymbolId }, "trades")) ...
 *
 * `request.pageToken` may be that of a page to start with. The errors of the calls are thrown as they are, and a
 * ProtocolError if the server repeats a page token.
 */
export async function* pages<L extends List, K extends ListField<PageOf<L>>>(
  list: L,
  request: Parameters<L>[0],
  field: K,
  options?: CallOptions,
): AsyncGenerator<ItemOf<PageOf<L>, K>, void, void> {
  let { pageToken = "" } = request as { pageToken?: string };
  for (;;) {
    const page = (await list({ ...(request as object), pageToken } as never, options)) as PageOf<L>;
    yield* page[field] as ItemOf<PageOf<L>, K>[];
    const { nextPageToken } = page;
    if (nextPageToken === "") return;
    if (nextPageToken === pageToken) throw new ProtocolError(methodOf(page), "the next page has the token of this one");
    pageToken = nextPageToken;
  }
}

/** Returns the method of a response, such as `ListTrades`. */
export function methodOf({ $typeName }: { readonly $typeName: string }): string {
  return $typeName.replace(/^.*\.|Response$/g, "");
}
