package desk

import (
	"testing"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

func TestBestBidIsExact(t *testing.T) {
	book := &marketsv1.OrderBook{Bids: []*marketsv1.BookLevel{{Price: "0.1", Quantity: "3"}}}
	if found, err := BestBid(book); err != nil || found != "0.1" {
		t.Fatalf("expected 0.1, found %q, %v", found, err)
	}
}
