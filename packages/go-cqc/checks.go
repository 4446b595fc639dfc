package cqc

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// Oddity is something in a fact that does not fit together. Venues do send such facts: an oddity is a reason to look, not
// to refuse.
type Oddity struct {
	// Kind names it, such as `book.crossed`.
	Kind string
	// Field is the path to the field that is odd, such as `bids[3].price`.
	Field string
	// Text says what was found, for people.
	Text string
}

type oddities []Oddity

func (found *oddities) add(kind, field, text string, values ...any) {
	*found = append(*found, Oddity{kind, field, fmt.Sprintf(text, values...)})
}

// number reads a decimal of a fact; what is none is an oddity itself, and nil.
func (found *oddities) number(field, text string) *apd.Decimal {
	value, err := ParseDecimal(text)
	if err != nil {
		found.add("number.malformed", field, "%s is not a plain decimal number", text)
		return nil
	}
	return value
}

func (found *oddities) optional(field string, text *string) *apd.Decimal {
	if text == nil {
		return nil
	}
	return found.number(field, *text)
}

func (found *oddities) negative(kind, field string, value *apd.Decimal) {
	if value != nil && value.Sign() < 0 {
		found.add(kind, field, "%s is below zero", value.Text('f'))
	}
}

func below(one, other *apd.Decimal) bool {
	return one != nil && other != nil && one.Cmp(other) < 0
}

// CheckBook reports what is odd in an order book, by exact arithmetic: sides that cross (`book.crossed`) or touch
// (`book.locked`), levels that are not best first (`book.unsorted`) or there twice (`book.duplicate_price`), quantities
// that are negative (`book.negative_quantity`) or zero (`book.zero_quantity`), and sequences that run backwards
// (`book.sequence`).
func CheckBook(book *marketsv1.OrderBook) []Oddity {
	var found oddities
	bid := found.side("bids", book.GetBids(), -1)
	ask := found.side("asks", book.GetAsks(), 1)
	if bid != nil && ask != nil {
		switch order := bid.Cmp(ask); {
		case order > 0:
			found.add("book.crossed", "bids", "the best bid %s is above the best ask %s", bid.Text('f'), ask.Text('f'))
		case order == 0:
			found.add("book.locked", "bids", "the best bid %s is the best ask", bid.Text('f'))
		}
	}
	if book.Sequence != nil && book.FirstSequence != nil && book.GetFirstSequence() > book.GetSequence() {
		found.add("book.sequence", "first_sequence", "%d is above sequence %d", book.GetFirstSequence(), book.GetSequence())
	}
	if book.Sequence != nil && book.PreviousSequence != nil && book.GetPreviousSequence() > book.GetSequence() {
		found.add("book.sequence", "previous_sequence", "%d is above sequence %d", book.GetPreviousSequence(), book.GetSequence())
	}
	return found
}

// side checks the levels of one side and returns its best price; prices get better against the direction.
func (found *oddities) side(name string, levels []*marketsv1.BookLevel, direction int) *apd.Decimal {
	var best, before *apd.Decimal
	seen := map[string]bool{}
	for i, level := range levels {
		field := fmt.Sprintf("%s[%d]", name, i)
		if quantity := found.number(field+".quantity", level.GetQuantity()); quantity != nil {
			found.negative("book.negative_quantity", field+".quantity", quantity)
			if quantity.IsZero() {
				found.add("book.zero_quantity", field+".quantity", "a level of a book has no quantity")
			}
		}
		price := found.number(field+".price", level.GetPrice())
		if price == nil {
			continue
		}
		key := canonical(level.GetPrice()) + " " + level.GetOrderId()
		if seen[key] {
			found.add("book.duplicate_price", field+".price", "%s is there twice", level.GetPrice())
		}
		seen[key] = true
		if before != nil && price.Cmp(before)*direction < 0 {
			found.add("book.unsorted", field+".price", "%s is better than %s before it", price.Text('f'), before.Text('f'))
		}
		before = price
		if best == nil || price.Cmp(best)*direction < 0 {
			best = price
		}
	}
	return best
}

// CheckExecution reports what is odd in an execution report, by exact arithmetic: more filled than ordered
// (`execution.overfilled`), a cumulative and a leaves quantity that do not add up to the ordered one while the order is
// open (`execution.leaves_mismatch`), a filled order with something left (`execution.filled_with_leaves`), a partly
// filled one with nothing left (`execution.partial_without_leaves`), a last fill above all fills
// (`execution.last_above_cumulative`), a fill without quantity (`execution.trade_without_quantity`), and quantities below
// zero (`execution.negative_quantity`). The ordered quantity is that of the embedded order, where there is one.
func CheckExecution(report *venuesv1.ExecutionReport) []Oddity {
	var found oddities
	last := found.optional("last_quantity", report.LastQuantity)
	cumulative := found.optional("cumulative_quantity", report.CumulativeQuantity)
	leaves := found.optional("leaves_quantity", report.LeavesQuantity)
	var ordered *apd.Decimal
	if order, ok := report.GetOrder().GetSize().(*venuesv1.Order_Quantity); ok {
		ordered = found.number("order.quantity", order.Quantity)
	}
	found.negative("execution.negative_quantity", "last_quantity", last)
	found.negative("execution.negative_quantity", "cumulative_quantity", cumulative)
	found.negative("execution.negative_quantity", "leaves_quantity", leaves)
	if below(ordered, cumulative) {
		found.add("execution.overfilled", "cumulative_quantity", "%s is filled, %s was ordered", cumulative.Text('f'), ordered.Text('f'))
	}
	status := report.GetOrderStatus()
	switch status {
	case venuesv1.OrderStatus_ORDER_STATUS_CANCELLED, venuesv1.OrderStatus_ORDER_STATUS_EXPIRED,
		venuesv1.OrderStatus_ORDER_STATUS_REJECTED, venuesv1.OrderStatus_ORDER_STATUS_REPLACED:
		// Nothing is left of a closed order, whatever was filled.
	default:
		if ordered != nil && cumulative != nil && leaves != nil {
			sum := new(apd.Decimal)
			if _, err := exact.Add(sum, cumulative, leaves); err == nil && sum.Cmp(ordered) != 0 {
				found.add("execution.leaves_mismatch", "leaves_quantity", "%s filled and %s left are not the %s ordered",
					cumulative.Text('f'), leaves.Text('f'), ordered.Text('f'))
			}
		}
	}
	if status == venuesv1.OrderStatus_ORDER_STATUS_FILLED && leaves != nil && leaves.Sign() > 0 {
		found.add("execution.filled_with_leaves", "leaves_quantity", "the order is filled and %s is left", leaves.Text('f'))
	}
	nothingLeft := leaves != nil && leaves.IsZero() || leaves == nil && ordered != nil && cumulative != nil && ordered.Cmp(cumulative) == 0
	if status == venuesv1.OrderStatus_ORDER_STATUS_PARTIALLY_FILLED && nothingLeft {
		found.add("execution.partial_without_leaves", "order_status", "the order is partly filled and nothing is left")
	}
	if below(cumulative, last) {
		found.add("execution.last_above_cumulative", "last_quantity", "the last fill %s is above all fills %s", last.Text('f'), cumulative.Text('f'))
	}
	if report.GetExecType() == venuesv1.ExecType_EXEC_TYPE_TRADE && (report.LastQuantity == nil || last != nil && last.IsZero()) {
		found.add("execution.trade_without_quantity", "last_quantity", "a fill has no quantity")
	}
	return found
}

// CheckCandle reports what is odd in a candle, by exact arithmetic: a high below the low (`candle.high_below_low`), an
// open, close or vwap outside of the two (`candle.open_outside` and so on), volumes below zero
// (`candle.negative_volume`), a part of the volume above all of it (`candle.taker_volume_above_volume`), and an end before
// its start (`candle.closes_before_open`).
func CheckCandle(candle *marketsv1.Candle) []Oddity {
	var found oddities
	high := found.number("high", candle.GetHigh())
	low := found.number("low", candle.GetLow())
	if below(high, low) {
		found.add("candle.high_below_low", "high", "the high %s is below the low %s", high.Text('f'), low.Text('f'))
	} else {
		for _, item := range []struct {
			field string
			value *apd.Decimal
		}{
			{"open", found.number("open", candle.GetOpen())},
			{"close", found.number("close", candle.GetClose())},
			{"vwap", found.optional("vwap", candle.Vwap)},
		} {
			if below(item.value, low) || below(high, item.value) {
				found.add("candle."+item.field+"_outside", item.field, "%s is not between the low and the high", item.value.Text('f'))
			}
		}
	}
	parts := []struct {
		part, whole       string
		partText, allText *string
	}{
		{"taker_buy_base_volume", "volume", candle.TakerBuyBaseVolume, candle.Volume},
		{"taker_buy_quote_volume", "quote_volume", candle.TakerBuyQuoteVolume, candle.QuoteVolume},
	}
	for _, item := range parts {
		part, all := found.optional(item.part, item.partText), found.optional(item.whole, item.allText)
		found.negative("candle.negative_volume", item.part, part)
		found.negative("candle.negative_volume", item.whole, all)
		if below(all, part) {
			found.add("candle.taker_volume_above_volume", item.part, "%s is above %s %s", part.Text('f'), item.whole, all.Text('f'))
		}
	}
	if candle.GetOpenTime() != nil && candle.GetCloseTime() != nil && candle.GetCloseTime().AsTime().Before(candle.GetOpenTime().AsTime()) {
		found.add("candle.closes_before_open", "close_time", "the candle ends before it starts")
	}
	return found
}
