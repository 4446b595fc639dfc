package cqc

import (
	"fmt"

	"github.com/cockroachdb/apd/v3"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// AnomalyKind specifies what is inconsistent.
type AnomalyKind string

const (
	// AnomalyKindNumberMalformed: a number is not a plain decimal.
	AnomalyKindNumberMalformed AnomalyKind = "number.malformed"
	// AnomalyKindReferenceListingMissing: neither an id nor the venue's name states the listing.
	AnomalyKindReferenceListingMissing AnomalyKind = "reference.listing_missing"
	// AnomalyKindReferenceAssetMissing: neither an id nor the venue's code states the asset.
	AnomalyKindReferenceAssetMissing AnomalyKind = "reference.asset_missing"
	// AnomalyKindBookCrossed: the best bid is above the best ask.
	AnomalyKindBookCrossed AnomalyKind = "book.crossed"
	// AnomalyKindBookLocked: the best bid equals the best ask.
	AnomalyKindBookLocked AnomalyKind = "book.locked"
	// AnomalyKindBookUnsorted: levels are not best first.
	AnomalyKindBookUnsorted AnomalyKind = "book.unsorted"
	// AnomalyKindBookDuplicatePrice: a price occurs twice on one side.
	AnomalyKindBookDuplicatePrice AnomalyKind = "book.duplicate_price"
	// AnomalyKindBookNegativeQuantity: a quantity is negative.
	AnomalyKindBookNegativeQuantity AnomalyKind = "book.negative_quantity"
	// AnomalyKindBookZeroQuantity: a quantity is zero.
	AnomalyKindBookZeroQuantity AnomalyKind = "book.zero_quantity"
	// AnomalyKindBookLevelIncomplete: a level without order id has no price or no quantity.
	AnomalyKindBookLevelIncomplete AnomalyKind = "book.level_incomplete"
	// AnomalyKindBookSequence: the first or previous sequence is greater than the sequence.
	AnomalyKindBookSequence AnomalyKind = "book.sequence"
	// AnomalyKindExecutionOverfilled: more was filled than ordered.
	AnomalyKindExecutionOverfilled AnomalyKind = "execution.overfilled"
	// AnomalyKindExecutionLeavesMismatch: cumulative plus leaves quantity of an open order is not the ordered quantity.
	AnomalyKindExecutionLeavesMismatch AnomalyKind = "execution.leaves_mismatch"
	// AnomalyKindExecutionFilledWithLeaves: the order is filled but has a leaves quantity.
	AnomalyKindExecutionFilledWithLeaves AnomalyKind = "execution.filled_with_leaves"
	// AnomalyKindExecutionPartialWithoutLeaves: the order is partially filled but nothing is left.
	AnomalyKindExecutionPartialWithoutLeaves AnomalyKind = "execution.partial_without_leaves"
	// AnomalyKindExecutionLastAboveCumulative: the last fill is larger than all fills together.
	AnomalyKindExecutionLastAboveCumulative AnomalyKind = "execution.last_above_cumulative"
	// AnomalyKindExecutionTradeWithoutQuantity: the fill has no quantity.
	AnomalyKindExecutionTradeWithoutQuantity AnomalyKind = "execution.trade_without_quantity"
	// AnomalyKindExecutionNegativeQuantity: a quantity is negative.
	AnomalyKindExecutionNegativeQuantity AnomalyKind = "execution.negative_quantity"
	// AnomalyKindCandleHighBelowLow: the high is below the low.
	AnomalyKindCandleHighBelowLow AnomalyKind = "candle.high_below_low"
	// AnomalyKindCandleOpenOutside: the open is not between low and high.
	AnomalyKindCandleOpenOutside AnomalyKind = "candle.open_outside"
	// AnomalyKindCandleCloseOutside: the close is not between low and high.
	AnomalyKindCandleCloseOutside AnomalyKind = "candle.close_outside"
	// AnomalyKindCandleVwapOutside: the volume-weighted average price is not between low and high.
	AnomalyKindCandleVwapOutside AnomalyKind = "candle.vwap_outside"
	// AnomalyKindCandleNegativeVolume: a volume is negative.
	AnomalyKindCandleNegativeVolume AnomalyKind = "candle.negative_volume"
	// AnomalyKindCandleTakerVolumeAboveVolume: the taker buy volume is larger than the volume.
	AnomalyKindCandleTakerVolumeAboveVolume AnomalyKind = "candle.taker_volume_above_volume"
	// AnomalyKindCandleClosesBeforeOpen: the close time is before the open time.
	AnomalyKindCandleClosesBeforeOpen AnomalyKind = "candle.closes_before_open"
)

// Anomaly is an inconsistency in reported data.
//
// Venues do report inconsistent data. Investigate an anomaly, but do not reject the message: a gateway that rejects a
// fill loses track of the position.
type Anomaly struct {
	// Kind specifies what is inconsistent.
	Kind AnomalyKind
	// Field is the path to the inconsistent field, such as `bids[3].price`.
	Field string
	// Message describes the problem.
	Message string
}

type anomalies []Anomaly

func (a *anomalies) add(kind AnomalyKind, field, message string, values ...any) {
	*a = append(*a, Anomaly{kind, field, fmt.Sprintf(message, values...)})
}

// number parses a decimal; a malformed one is an anomaly and has no value.
func (a *anomalies) number(field, text string) *apd.Decimal {
	value, err := ParseDecimal(text)
	if err != nil {
		a.add(AnomalyKindNumberMalformed, field, "%s is not a plain decimal", text)
		return nil
	}
	return value
}

func (a *anomalies) optional(field string, text *string) *apd.Decimal {
	if text == nil {
		return nil
	}
	return a.number(field, *text)
}

// stated parses a number of a level; an individual order may lack it.
func (a *anomalies) stated(level *marketsv1.BookLevel, field, text string) *apd.Decimal {
	if text != "" {
		return a.number(field, text)
	}
	if level.GetOrderId() == "" {
		a.add(AnomalyKindBookLevelIncomplete, field, "only a level with an order_id may lack it")
	}
	return nil
}

func (a *anomalies) negative(kind AnomalyKind, field string, value *apd.Decimal) {
	if value != nil && value.Sign() < 0 {
		a.add(kind, field, "%s is negative", value.Text('f'))
	}
}

func below(one, other *apd.Decimal) bool {
	return one != nil && other != nil && one.Cmp(other) < 0
}

// CheckBook returns the anomalies in an order book: the kinds AnomalyKindNumber*, AnomalyKindBook* and
// AnomalyKindReference*.
func CheckBook(book *marketsv1.OrderBook) []Anomaly {
	found := anomalies(CheckReferences(book))
	bid := found.side("bids", book.GetBids(), -1)
	ask := found.side("asks", book.GetAsks(), 1)
	if bid != nil && ask != nil {
		switch order := bid.Cmp(ask); {
		case order > 0:
			found.add(AnomalyKindBookCrossed, "bids", "the best bid %s is above the best ask %s", bid.Text('f'), ask.Text('f'))
		case order == 0:
			found.add(AnomalyKindBookLocked, "bids", "the best bid %s equals the best ask", bid.Text('f'))
		}
	}
	for _, item := range []struct {
		field string
		value *uint64
	}{{"first_sequence", book.FirstSequence}, {"previous_sequence", book.PreviousSequence}} {
		if book.Sequence != nil && item.value != nil && *item.value > *book.Sequence {
			found.add(AnomalyKindBookSequence, item.field, "%d is greater than sequence %d", *item.value, *book.Sequence)
		}
	}
	return found
}

// side checks the levels of one side and returns its best price. direction is 1 if prices rise from best to worst.
func (a *anomalies) side(name string, levels []*marketsv1.BookLevel, direction int) *apd.Decimal {
	var best, before *apd.Decimal
	seen := map[string]bool{}
	for i, level := range levels {
		field := fmt.Sprintf("%s[%d]", name, i)
		if quantity := a.stated(level, field+".quantity", level.GetQuantity()); quantity != nil {
			a.negative(AnomalyKindBookNegativeQuantity, field+".quantity", quantity)
			if quantity.IsZero() {
				a.add(AnomalyKindBookZeroQuantity, field+".quantity", "the level has zero quantity")
			}
		}
		price := a.stated(level, field+".price", level.GetPrice())
		if price == nil {
			continue
		}
		key := canonical(level.GetPrice()) + " " + level.GetOrderId()
		if seen[key] {
			a.add(AnomalyKindBookDuplicatePrice, field+".price", "%s occurs twice", level.GetPrice())
		}
		seen[key] = true
		if before != nil && price.Cmp(before)*direction < 0 {
			a.add(AnomalyKindBookUnsorted, field+".price", "%s is better than the preceding %s",
				price.Text('f'), before.Text('f'))
		}
		before = price
		if best == nil || price.Cmp(best)*direction < 0 {
			best = price
		}
	}
	return best
}

// CheckExecution returns the anomalies in an execution report: the kinds AnomalyKindNumber*, AnomalyKindExecution* and
// AnomalyKindReference*.
//
// The ordered quantity is taken from the embedded order; checks that need it are skipped without one, and for an order
// that is sized by an amount in quote units or by the position that it closes.
func CheckExecution(report *venuesv1.ExecutionReport) []Anomaly {
	found := anomalies(CheckReferences(report))
	last := found.optional("last_quantity", report.LastQuantity)
	cumulative := found.optional("cumulative_quantity", report.CumulativeQuantity)
	leaves := found.optional("leaves_quantity", report.LeavesQuantity)
	var ordered *apd.Decimal
	if order := report.GetOrder(); order != nil && order.QuoteQuantity == nil && !order.GetClosePosition() {
		ordered = found.optional("order.quantity", order.Quantity)
	}
	found.negative(AnomalyKindExecutionNegativeQuantity, "last_quantity", last)
	found.negative(AnomalyKindExecutionNegativeQuantity, "cumulative_quantity", cumulative)
	found.negative(AnomalyKindExecutionNegativeQuantity, "leaves_quantity", leaves)
	if below(ordered, cumulative) {
		found.add(AnomalyKindExecutionOverfilled, "cumulative_quantity", "%s filled is more than %s ordered",
			cumulative.Text('f'), ordered.Text('f'))
	}
	status := report.GetOrderStatus()
	if !isClosed(status) && ordered != nil && cumulative != nil && leaves != nil {
		sum := new(apd.Decimal)
		if _, err := exact.Add(sum, cumulative, leaves); err == nil && sum.Cmp(ordered) != 0 {
			found.add(AnomalyKindExecutionLeavesMismatch, "leaves_quantity", "%s filled plus %s left is not %s ordered",
				cumulative.Text('f'), leaves.Text('f'), ordered.Text('f'))
		}
	}
	if status == venuesv1.OrderStatus_ORDER_STATUS_FILLED && leaves != nil && leaves.Sign() > 0 {
		found.add(AnomalyKindExecutionFilledWithLeaves, "leaves_quantity", "the order is filled but %s is left",
			leaves.Text('f'))
	}
	nothingLeft := ordered != nil && cumulative != nil && ordered.Cmp(cumulative) == 0
	if leaves != nil {
		nothingLeft = leaves.IsZero()
	}
	if status == venuesv1.OrderStatus_ORDER_STATUS_PARTIALLY_FILLED && nothingLeft {
		found.add(AnomalyKindExecutionPartialWithoutLeaves, "order_status",
			"the order is partially filled but nothing is left")
	}
	if below(cumulative, last) {
		found.add(AnomalyKindExecutionLastAboveCumulative, "last_quantity",
			"the last fill %s is larger than %s filled in total", last.Text('f'), cumulative.Text('f'))
	}
	hasNoQuantity := report.LastQuantity == nil || last != nil && last.IsZero()
	if report.GetExecType() == venuesv1.ExecType_EXEC_TYPE_TRADE && hasNoQuantity {
		found.add(AnomalyKindExecutionTradeWithoutQuantity, "last_quantity", "the fill has no quantity")
	}
	return found
}

// isClosed reports whether an order is closed. A closed order leaves nothing, however much was filled.
func isClosed(status venuesv1.OrderStatus) bool {
	switch status {
	case venuesv1.OrderStatus_ORDER_STATUS_CANCELLED, venuesv1.OrderStatus_ORDER_STATUS_EXPIRED,
		venuesv1.OrderStatus_ORDER_STATUS_REJECTED, venuesv1.OrderStatus_ORDER_STATUS_REPLACED:
		return true
	default:
		return false
	}
}

// CheckCandle returns the anomalies in a candle: the kinds AnomalyKindNumber*, AnomalyKindCandle* and
// AnomalyKindReference*.
func CheckCandle(candle *marketsv1.Candle) []Anomaly {
	found := anomalies(CheckReferences(candle))
	high := found.number("high", candle.GetHigh())
	low := found.number("low", candle.GetLow())
	if below(high, low) {
		found.add(AnomalyKindCandleHighBelowLow, "high", "the high %s is below the low %s", high.Text('f'), low.Text('f'))
	} else {
		for _, item := range []struct {
			kind  AnomalyKind
			field string
			value *apd.Decimal
		}{
			{AnomalyKindCandleOpenOutside, "open", found.number("open", candle.GetOpen())},
			{AnomalyKindCandleCloseOutside, "close", found.number("close", candle.GetClose())},
			{AnomalyKindCandleVwapOutside, "vwap", found.optional("vwap", candle.Vwap)},
		} {
			if below(item.value, low) || below(high, item.value) {
				found.add(item.kind, item.field, "%s is not between the low and the high", item.value.Text('f'))
			}
		}
	}
	for _, item := range []struct {
		partField, wholeField string
		partText, wholeText   *string
	}{
		{"taker_buy_volume", "volume", candle.TakerBuyVolume, candle.Volume},
		{"taker_buy_quote_volume", "quote_volume", candle.TakerBuyQuoteVolume, candle.QuoteVolume},
	} {
		part, whole := found.optional(item.partField, item.partText), found.optional(item.wholeField, item.wholeText)
		found.negative(AnomalyKindCandleNegativeVolume, item.partField, part)
		found.negative(AnomalyKindCandleNegativeVolume, item.wholeField, whole)
		if below(whole, part) {
			found.add(AnomalyKindCandleTakerVolumeAboveVolume, item.partField, "%s is larger than %s %s",
				part.Text('f'), item.wholeField, whole.Text('f'))
		}
	}
	opened, closed := candle.GetOpenTime(), candle.GetCloseTime()
	if opened != nil && closed != nil && closed.AsTime().Before(opened.AsTime()) {
		found.add(AnomalyKindCandleClosesBeforeOpen, "close_time", "the candle closes before it opens")
	}
	return found
}
