// Command decimals uses exact numbers and messages alone: its binary shows what they cost.
package main

import (
	"fmt"
	"os"

	"google.golang.org/protobuf/proto"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

func main() {
	book := &marketsv1.OrderBook{Bids: []*marketsv1.BookLevel{{Price: "0.10", Quantity: "3"}}}
	price, err := cqc.ParseDecimal(book.GetBids()[0].GetPrice())
	if err != nil {
		fmt.Fprintln(os.Stderr, "decimals:", err)
		os.Exit(1)
	}
	data, err := proto.Marshal(book)
	if err != nil {
		fmt.Fprintln(os.Stderr, "decimals:", err)
		os.Exit(1)
	}
	fmt.Println(price, len(data) > 0)
}
