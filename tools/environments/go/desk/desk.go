// Package desk is what a trading desk writes around the package.
package desk

import (
	"context"
	"errors"

	"google.golang.org/grpc"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	cqcerrors "github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// ErrNoPrice means that the service has no price yet.
var ErrNoPrice = errors.New("no price yet")

// BestBid returns the best bid's price, exactly.
func BestBid(book *marketsv1.OrderBook) (string, error) {
	price, err := cqc.ParseDecimal(book.GetBids()[0].GetPrice())
	if err != nil {
		return "", err
	}
	return cqc.FormatDecimal(price)
}

// Trades returns all trades of a listing.
func Trades(ctx context.Context, conn grpc.ClientConnInterface, listing string) ([]*marketsv1.Trade, error) {
	market := servicesv1.NewMarketDataClient(conn)
	request := &servicesv1.ListTradesRequest{VenueSymbolId: listing}
	var found []*marketsv1.Trade
	for trade, err := range client.Pages(ctx, market.ListTrades, request, (*servicesv1.ListTradesResponse).GetTrades) {
		if err != nil {
			return nil, err
		}
		found = append(found, trade)
	}
	return found, nil
}

// Book calls a function with each current book of a listing, until the function returns false.
func Book(
	ctx context.Context, conn grpc.ClientConnInterface, listing string, use func(*marketsv1.OrderBook) bool,
) error {
	market := servicesv1.NewMarketDataClient(conn)
	request := &servicesv1.StreamOrderBookRequest{VenueSymbolId: listing}
	for update, err := range client.FollowBook(ctx, market.StreamOrderBook, request, client.FollowOptions{}) {
		if err != nil {
			return err
		}
		if update.State == client.BookStateLive && !use(update.Book.Book()) {
			return nil
		}
	}
	return nil
}

// Place places an order, at most once. `unknown` means that nobody knows whether it was placed.
func Place(
	ctx context.Context, conn grpc.ClientConnInterface, request *servicesv1.PlaceOrderRequest,
) (order *venuesv1.Order, unknown bool, err error) {
	order, err = client.PlaceOrder(ctx, servicesv1.NewVenueGatewayClient(conn), request)
	var outcome *client.OutcomeUnknownError
	return order, errors.As(err, &outcome), err
}

// Price asks for the price of an asset.
func Price(ctx context.Context, conn grpc.ClientConnInterface, asset string) (float64, error) {
	price, err := servicesv1.NewMarketDataClient(conn).GetPrice(ctx, &servicesv1.GetPriceRequest{AssetId: asset})
	if failure, ok := cqcerrors.From(err); ok && failure.Reason == servicesv1.ErrorReason_ERROR_REASON_NO_DATA {
		return 0, ErrNoPrice
	}
	return price.GetValue(), err
}
