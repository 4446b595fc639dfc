package cqc_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math/big"
	"math/rand"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/quick"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	assetsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/assets/v1"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	portfoliov1 "github.com/Combine-Capital/cqc/packages/go-cqc/portfolio/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/validation"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

// How money is counted: a plain reference calculation against the vector that all three languages share.

const (
	fifo    = portfoliov1.CostBasisMethod_COST_BASIS_METHOD_FIFO
	lifo    = portfoliov1.CostBasisMethod_COST_BASIS_METHOD_LIFO
	hifo    = portfoliov1.CostBasisMethod_COST_BASIS_METHOD_HIFO
	average = portfoliov1.CostBasisMethod_COST_BASIS_METHOD_AVERAGE
)

// The sum of the first eight is the total.
var (
	parts  = []string{"realized", "unrealized", "funding", "fees", "rebates", "interest", "fx", "other"}
	fields = append(slices.Clone(parts), "total", "realized_from_cost", "start_equity", "end_equity", "net_flows")
)

// Where the value of each kind of transaction's legs belongs, besides the lots.
var components = map[portfoliov1.TransactionType]string{
	portfoliov1.TransactionType_TRANSACTION_TYPE_DEPOSIT:     "net_flows",
	portfoliov1.TransactionType_TRANSACTION_TYPE_WITHDRAWAL:  "net_flows",
	portfoliov1.TransactionType_TRANSACTION_TYPE_FUNDING:     "funding",
	portfoliov1.TransactionType_TRANSACTION_TYPE_INTEREST:    "interest",
	portfoliov1.TransactionType_TRANSACTION_TYPE_REWARD:      "other",
	portfoliov1.TransactionType_TRANSACTION_TYPE_ADJUSTMENT:  "other",
	portfoliov1.TransactionType_TRANSACTION_TYPE_UNSPECIFIED: "other",
}

func rat(text string) *big.Rat {
	value, ok := new(big.Rat).SetString(text)
	if !ok {
		panic("not a number: " + text)
	}
	return value
}

func whole(number int64) *big.Rat { return big.NewRat(number, 1) }
func add(a, b *big.Rat) *big.Rat  { return new(big.Rat).Add(a, b) }
func sub(a, b *big.Rat) *big.Rat  { return new(big.Rat).Sub(a, b) }
func mul(a, b *big.Rat) *big.Rat  { return new(big.Rat).Mul(a, b) }
func div(a, b *big.Rat) *big.Rat  { return new(big.Rat).Quo(a, b) }
func neg(a *big.Rat) *big.Rat     { return new(big.Rat).Neg(a) }

// quote is the price of an asset or listing at a time, in units of the reporting asset.
type quote struct {
	at    time.Time
	price *big.Rat
}

// books are what a calculation reads.
type books struct {
	reporting    string
	assets       map[string]*assetsv1.Asset
	listings     map[string]*venuesv1.VenueSymbol
	holdings     []*portfoliov1.Lot
	transactions []*portfoliov1.Transaction
	prices       map[string][]quote
}

// price returns the newest price at or before a time.
func (b *books) price(name string, at time.Time) *big.Rat {
	if name == b.reporting {
		return whole(1)
	}
	var newest *quote
	for i, quote := range b.prices[name] {
		if !quote.at.After(at) && (newest == nil || !quote.at.Before(newest.at)) {
			newest = &b.prices[name][i]
		}
	}
	return newest.price
}

// isMoney reports whether an asset is FIAT, or pegged to an asset that is.
func (b *books) isMoney(asset string) bool {
	fiat := assetsv1.AssetType_ASSET_TYPE_FIAT
	return b.assets[asset].GetType() == fiat || b.assets[b.assets[asset].GetPegAssetId()].GetType() == fiat
}

// held is a lot, or a part of one. base is the unit value at the start of the interval, else the unit cost.
type held struct {
	acquired             time.Time
	quantity, cost, base *big.Rat
}

// position counts contracts of a listing, below zero for a short position. base is the value of all of them at the
// start of the interval.
type position struct {
	listing                *venuesv1.VenueSymbol
	contracts, entry, base *big.Rat
}

func (p *position) inverse() bool {
	return p.listing.GetContractSizeUnit() == marketsv1.QuantityUnit_QUANTITY_UNIT_QUOTE
}

func (p *position) settlementAsset() string { return strings.Split(p.listing.GetSymbolId(), "-")[3] }

// profit returns the profit of some contracts at a price, in the settlement asset.
func (p *position) profit(contracts, price *big.Rat) *big.Rat {
	gain := sub(price, p.entry)
	if p.inverse() {
		gain = sub(new(big.Rat).Inv(p.entry), new(big.Rat).Inv(price))
	}
	size := cmp.Or(p.listing.GetContractSize(), p.listing.GetQuantoMultiplier())
	return mul(mul(contracts, rat(size)), gain)
}

func (p *position) open(contracts, price *big.Rat) {
	sum := add(p.contracts, contracts)
	switch {
	case p.contracts.Sign() == 0:
		p.entry = price
	case p.inverse():
		p.entry = div(sum, add(div(p.contracts, p.entry), div(contracts, price)))
	default:
		p.entry = div(add(mul(p.contracts, p.entry), mul(contracts, price)), sum)
	}
	p.contracts = sum
}

// choice orders the lots that a disposal uses up.
type choice func(a, b *held) int

func oldest(a, b *held) int { return a.acquired.Compare(b.acquired) }

func dearest(a, b *held) int { return cmp.Or(b.cost.Cmp(a.cost), oldest(a, b)) }

// An average has one lot, so its order does not matter.
var choices = map[portfoliov1.CostBasisMethod]choice{
	fifo: oldest, lifo: func(a, b *held) int { return oldest(b, a) }, hifo: dearest, average: oldest,
}

var methods = []portfoliov1.CostBasisMethod{fifo, lifo, hifo, average}

type (
	lotKey      struct{ account, asset string }
	positionKey struct {
		account, listing string
		side             venuesv1.PositionSide
	}
)

// calculation is one interval under one method.
type calculation struct {
	*books
	pooled    bool
	choice    choice
	sums      map[string]*big.Rat
	lots      map[lotKey][]*held
	positions map[positionKey]*position
}

func (c *calculation) clear() {
	c.sums = map[string]*big.Rat{}
	for _, name := range fields {
		c.sums[name] = new(big.Rat)
	}
}

func (c *calculation) count(name string, amount *big.Rat) { c.sums[name] = add(c.sums[name], amount) }

func (c *calculation) run(start, end time.Time) map[string]*big.Rat {
	c.clear()
	c.lots, c.positions = map[lotKey][]*held{}, map[positionKey]*position{}
	for _, lot := range c.holdings {
		cost := rat(lot.GetUnitCost())
		quantity := rat(lot.GetRemainingQuantity())
		c.acquire(lotKey{lot.GetAccountId(), lot.GetAssetId()}, &held{lot.GetAcquiredAt().AsTime(), quantity, cost, cost})
	}
	reversed := map[string]bool{}
	for _, tx := range c.transactions {
		reversed[tx.GetReversesTransactionId()] = true
	}
	entries := slices.DeleteFunc(slices.Clone(c.transactions), func(tx *portfoliov1.Transaction) bool {
		return tx.ReversesTransactionId != nil || tx.GetTransactionId() != "" && reversed[tx.GetTransactionId()]
	})
	slices.SortStableFunc(entries, func(a, b *portfoliov1.Transaction) int {
		return a.GetTimestamp().AsTime().Compare(b.GetTimestamp().AsTime())
	})
	for _, tx := range entries {
		if tx.GetTimestamp().AsTime().Before(start) {
			c.book(tx)
		}
	}
	c.clear()
	c.sums["start_equity"] = c.equity(start)
	for key, lots := range c.lots {
		for _, lot := range lots {
			lot.base = c.price(key.asset, start)
		}
	}
	for _, position := range c.positions {
		position.base = c.value(position, start)
	}
	for _, tx := range entries {
		if at := tx.GetTimestamp().AsTime(); !at.Before(start) && at.Before(end) {
			c.book(tx)
		}
	}
	c.sums["end_equity"] = c.equity(end)
	for key, lots := range c.lots {
		for _, lot := range lots {
			c.count(c.partOf(key.asset, "unrealized"), mul(lot.quantity, sub(c.price(key.asset, end), lot.base)))
		}
	}
	for _, position := range c.positions {
		c.count("unrealized", sub(c.value(position, end), position.base))
	}
	for _, name := range parts {
		c.count("total", c.sums[name])
	}
	return c.sums
}

func (c *calculation) book(tx *portfoliov1.Transaction) {
	at, account := tx.GetTimestamp().AsTime(), tx.GetAccountId()
	legs := slices.Clone(tx.GetLegs())
	slices.SortStableFunc(legs, func(a, b *portfoliov1.TransactionLeg) int { return rat(a.Amount).Cmp(rat(b.Amount)) })
	key := func(leg *portfoliov1.TransactionLeg) lotKey {
		return lotKey{cmp.Or(leg.GetAccountId(), account), leg.GetAssetId()}
	}
	if tx.GetType() == portfoliov1.TransactionType_TRANSACTION_TYPE_TRANSFER {
		for _, part := range c.take(key(legs[0]), rat(legs[1].GetAmount())) {
			c.acquire(key(legs[1]), part)
		}
	} else {
		for i, value := range c.values(tx, legs, at) {
			c.move(key(legs[i]), rat(legs[i].GetAmount()), div(value, rat(legs[i].GetAmount())), at)
			if name, known := components[tx.GetType()]; known {
				c.count(name, value)
			}
		}
	}
	if tx.GetTerms() != nil && len(legs) == 0 {
		c.trade(account, tx.GetTerms(), at)
	}
	for _, fee := range tx.GetFees() {
		amount, unit := rat(fee.GetAmount()), c.price(fee.GetAssetId(), at)
		name := "fees"
		if amount.Sign() < 0 {
			name = "rebates"
		}
		c.count(name, neg(mul(amount, unit)))
		c.move(lotKey{account, fee.GetAssetId()}, neg(amount), unit, at)
	}
}

// values returns the value of each leg, below zero for what goes out.
func (c *calculation) values(tx *portfoliov1.Transaction, legs []*portfoliov1.TransactionLeg, at time.Time) []*big.Rat {
	values := make([]*big.Rat, len(legs))
	for i, leg := range legs {
		values[i] = mul(rat(leg.GetAmount()), c.price(leg.GetAssetId(), at))
		if leg.UnitValue != nil {
			values[i] = mul(rat(leg.GetAmount()), rat(leg.GetUnitValue()))
		}
	}
	isTrade := tx.GetType() == portfoliov1.TransactionType_TRANSACTION_TYPE_TRADE ||
		tx.GetType() == portfoliov1.TransactionType_TRANSACTION_TYPE_LIQUIDATION
	if isTrade && len(legs) == 2 {
		rules := []func(leg *portfoliov1.TransactionLeg) bool{
			func(leg *portfoliov1.TransactionLeg) bool { return leg.GetAssetId() == c.reporting },
			func(leg *portfoliov1.TransactionLeg) bool { return leg.UnitValue != nil },
			func(leg *portfoliov1.TransactionLeg) bool { return c.isMoney(leg.GetAssetId()) },
			func(leg *portfoliov1.TransactionLeg) bool { return strings.HasPrefix(leg.GetAmount(), "-") },
		}
		for _, rule := range rules {
			if first, second := rule(legs[0]), rule(legs[1]); first && !second {
				values[1] = neg(values[0])
				break
			} else if second && !first {
				values[0] = neg(values[1])
				break
			}
		}
	}
	return values
}

func (c *calculation) trade(account string, terms *portfoliov1.TradeTerms, at time.Time) {
	key := positionKey{account, terms.GetVenueSymbolId(), terms.GetPositionSide()}
	if c.positions[key] == nil {
		c.positions[key] = &position{c.listings[key.listing], new(big.Rat), new(big.Rat), new(big.Rat)}
	}
	position, price, opened := c.positions[key], rat(terms.GetPrice()), rat(terms.GetQuantity())
	if terms.GetSide() == venuesv1.OrderSide_ORDER_SIDE_SELL {
		opened = neg(opened)
	}
	if position.contracts.Sign()*opened.Sign() < 0 {
		// What is closed has the sign of the position.
		closed := neg(opened)
		if new(big.Rat).Abs(closed).Cmp(new(big.Rat).Abs(position.contracts)) > 0 {
			closed = position.contracts
		}
		profit, unit := position.profit(closed, price), c.price(position.settlementAsset(), at)
		base := mul(position.base, div(closed, position.contracts))
		c.count("realized", sub(mul(profit, unit), base))
		c.count("realized_from_cost", mul(profit, unit))
		position.base = sub(position.base, base)
		position.contracts = sub(position.contracts, closed)
		opened = add(opened, closed)
		c.move(lotKey{account, position.settlementAsset()}, profit, unit, at)
	}
	if opened.Sign() != 0 {
		position.open(opened, price)
	}
}

// move opens a lot, or disposes of some.
func (c *calculation) move(key lotKey, amount, unit *big.Rat, at time.Time) {
	if amount.Sign() > 0 {
		c.acquire(key, &held{at, amount, unit, unit})
		return
	}
	for _, part := range c.take(key, neg(amount)) {
		c.count(c.partOf(key.asset, "realized"), mul(part.quantity, sub(unit, part.base)))
		if !c.isMoney(key.asset) {
			c.count("realized_from_cost", mul(part.quantity, sub(unit, part.cost)))
		}
	}
}

func (c *calculation) acquire(key lotKey, lot *held) {
	if !c.pooled || len(c.lots[key]) == 0 {
		c.lots[key] = append(c.lots[key], lot)
		return
	}
	pool := c.lots[key][0]
	quantity := add(pool.quantity, lot.quantity)
	mean := func(a, b *big.Rat) *big.Rat { return div(add(mul(a, pool.quantity), mul(b, lot.quantity)), quantity) }
	pool.cost, pool.base, pool.quantity = mean(pool.cost, lot.cost), mean(pool.base, lot.base), quantity
}

func (c *calculation) take(key lotKey, quantity *big.Rat) []*held {
	var taken, left []*held
	lots := slices.Clone(c.lots[key])
	slices.SortStableFunc(lots, c.choice)
	for _, lot := range lots {
		part := *lot
		if part.quantity.Cmp(quantity) > 0 {
			part.quantity = quantity
		}
		if part.quantity.Sign() > 0 {
			taken = append(taken, &part)
		}
		quantity = sub(quantity, part.quantity)
		if lot.quantity = sub(lot.quantity, part.quantity); lot.quantity.Sign() > 0 {
			left = append(left, lot)
		}
	}
	if quantity.Sign() != 0 {
		panic(fmt.Sprintf("%+v holds too little", key))
	}
	c.lots[key] = left
	return taken
}

func (c *calculation) equity(at time.Time) *big.Rat {
	sum := new(big.Rat)
	for key, lots := range c.lots {
		for _, lot := range lots {
			sum = add(sum, mul(lot.quantity, c.price(key.asset, at)))
		}
	}
	for _, position := range c.positions {
		sum = add(sum, c.value(position, at))
	}
	return sum
}

func (c *calculation) value(p *position, at time.Time) *big.Rat {
	if p.contracts.Sign() == 0 {
		return new(big.Rat)
	}
	profit := p.profit(p.contracts, c.price(p.listing.GetVenueSymbolId(), at))
	return mul(profit, c.price(p.settlementAsset(), at))
}

func (c *calculation) partOf(asset, otherwise string) string {
	if c.isMoney(asset) {
		return "fx"
	}
	return otherwise
}

type moneyExample struct {
	Prices map[string][]struct {
		Timestamp time.Time `json:"timestamp"`
		Price     string    `json:"price"`
	} `json:"prices"`
	Holdings     []json.RawMessage `json:"holdings"`
	Transactions []json.RawMessage `json:"transactions"`
	Expected     []json.RawMessage `json:"expected"`
}

type moneyVector struct {
	Reporting  string                  `json:"reporting_asset_id"`
	Assets     []json.RawMessage       `json:"assets"`
	Listings   []json.RawMessage       `json:"listings"`
	Examples   map[string]moneyExample `json:"examples"`
	Transfer   json.RawMessage         `json:"transfer"`
	MarginTier json.RawMessage         `json:"margin_tier"`
	Correction struct {
		InsteadOf    string            `json:"instead_of"`
		Transactions []json.RawMessage `json:"transactions"`
	} `json:"correction"`
	Intervals map[string][2]time.Time `json:"intervals"`
}

func validFromJSON[M proto.Message](t testing.TB, text json.RawMessage) M {
	t.Helper()
	var message M
	read := fromJSON(t, text, message.ProtoReflect().New().Interface().(M))
	if found, err := validation.Validate(read); err != nil || len(found) != 0 {
		t.Fatalf("%s: %v %v", text, found, err)
	}
	return read
}

func allFromJSON[M proto.Message](t testing.TB, texts []json.RawMessage) []M {
	t.Helper()
	messages := make([]M, len(texts))
	for i, text := range texts {
		messages[i] = validFromJSON[M](t, text)
	}
	return messages
}

// worked reads the books of the worked example.
func worked(t testing.TB) (moneyVector, *books) {
	t.Helper()
	vector := vectors[moneyVector](t, "money.json")
	return vector, vector.books(t, "worked")
}

func (vector moneyVector) books(t testing.TB, name string) *books {
	t.Helper()
	example := vector.Examples[name]
	read := &books{
		reporting:    vector.Reporting,
		assets:       map[string]*assetsv1.Asset{},
		listings:     map[string]*venuesv1.VenueSymbol{},
		holdings:     allFromJSON[*portfoliov1.Lot](t, example.Holdings),
		transactions: allFromJSON[*portfoliov1.Transaction](t, example.Transactions),
		prices:       map[string][]quote{},
	}
	for _, asset := range allFromJSON[*assetsv1.Asset](t, vector.Assets) {
		read.assets[asset.GetAssetId()] = asset
	}
	for _, listing := range allFromJSON[*venuesv1.VenueSymbol](t, vector.Listings) {
		read.listings[listing.GetVenueSymbolId()] = listing
	}
	for name, prices := range example.Prices {
		for _, one := range prices {
			read.prices[name] = append(read.prices[name], quote{one.Timestamp, rat(one.Price)})
		}
	}
	return read
}

func (b *books) with(transactions ...*portfoliov1.Transaction) *books {
	other := *b
	other.transactions = slices.Concat(b.transactions, transactions)
	return &other
}

func (b *books) calculate(interval [2]time.Time, method portfoliov1.CostBasisMethod) map[string]*big.Rat {
	c := calculation{books: b, pooled: method == average, choice: choices[method]}
	return c.run(interval[0], interval[1])
}

func same(a, b map[string]*big.Rat) bool {
	return maps.EqualFunc(a, b, func(x, y *big.Rat) bool { return x.Cmp(y) == 0 })
}

// added returns the sums with the two that only add up together as one.
func added(sums map[string]*big.Rat) map[string]*big.Rat {
	together := maps.Clone(sums)
	together["realized + unrealized"] = add(sums["realized"], sums["unrealized"])
	delete(together, "realized")
	delete(together, "unrealized")
	return together
}

func checkFigure(t *testing.T, name string, value *big.Rat, figure string) {
	t.Helper()
	plain := strings.ReplaceAll(figure, ",", "")
	_, decimals, _ := strings.Cut(plain, ".")
	if got := value.FloatString(len(decimals)); got != plain {
		t.Errorf("%s: got %s, want %s", name, got, figure)
	}
}

// Rows of the worked example in SPEC, "How money is counted".
func TestTheFiguresOfTheWorkedExample(t *testing.T) {
	vector, books := worked(t)
	columns := strings.Fields("start_equity end_equity net_flows realized unrealized funding fees rebates fx other total")
	rows := map[string]string{
		"1":   "35,500 31,523.20 0 0 -3,980.30 0 -2.50 1.00 5.00 0 -3,976.80",
		"2":   "31,523.20 32,654.3143 -1,000 -59.90 2,186.4143 12.60 -2.10 0 -11.10 5.20 2,131.1143",
		"1+2": "35,500 32,654.3143 -1,000 239.60 -2,093.3857 12.60 -4.60 1.00 -6.10 5.20 -1,845.6857",
	}
	for interval, row := range rows {
		found := books.calculate(vector.Intervals[interval], fifo)
		for i, figure := range strings.Fields(row) {
			checkFigure(t, interval+" "+columns[i], found[columns[i]], figure)
		}
		fromCost := map[string]string{"1": "0", "2": "239.60", "1+2": "239.60"}[interval]
		checkFigure(t, interval+" realized_from_cost", found["realized_from_cost"], fromCost)
	}
	others := map[portfoliov1.CostBasisMethod][2]string{
		lifo: {"-90.9762", "2,217.4905"}, hifo: {"-59.90", "2,186.4143"}, average: {"-62.4267", "2,188.9410"},
	}
	for method, figures := range others {
		found := books.calculate(vector.Intervals["2"], method)
		checkFigure(t, method.String(), found["realized"], figures[0])
		checkFigure(t, method.String(), found["unrealized"], figures[1])
		checkFigure(t, method.String(), found["total"], "2,131.1143")
	}
}

func TestEveryAmountOfEveryIntervalUnderEveryMethod(t *testing.T) {
	vector, _ := worked(t)
	for example := range vector.Examples {
		made := vector.books(t, example)
		covered := map[string]bool{}
		for _, pnl := range allFromJSON[*portfoliov1.PnL](t, vector.Examples[example].Expected) {
			interval := [2]time.Time{pnl.GetStartTime().AsTime(), pnl.GetEndTime().AsTime()}
			covered[fmt.Sprint(interval, pnl.GetMethod())] = true
			found := made.calculate(interval, pnl.GetMethod())
			for _, name := range fields {
				field := pnl.ProtoReflect().Descriptor().Fields().ByTextName(name)
				want := pnl.ProtoReflect().Get(field).String()
				off := sub(found[name], rat(want))
				if off.Abs(off).Cmp(rat("0.000000000001")) >= 0 {
					t.Errorf("%s, %s: got %s, want %s of %v", example, name, found[name].FloatString(18), want, pnl)
				}
			}
		}
		for _, interval := range vector.Intervals {
			for _, method := range methods {
				if !covered[fmt.Sprint(interval, method)] {
					t.Errorf("%s: the vector lacks %s under %s", example, interval, method)
				}
			}
		}
	}
}

func TestTheHighestCostIsACostAndNotAMark(t *testing.T) {
	vector, books := worked(t)
	interval := vector.Intervals["2"]
	checkFigure(t, "by cost", books.calculate(interval, hifo)["realized"], "-59.90")
	byMark := calculation{books: books, choice: func(a, b *held) int { return cmp.Or(b.base.Cmp(a.base), oldest(a, b)) }}
	checkFigure(t, "by mark", byMark.run(interval[0], interval[1])["realized"], "-90.98")
}

func TestACorrectionLeavesWhatRecordingItRightLeaves(t *testing.T) {
	vector, right := worked(t)
	correction := allFromJSON[*portfoliov1.Transaction](t, vector.Correction.Transactions)
	others := *right
	others.transactions = slices.DeleteFunc(slices.Clone(right.transactions), func(tx *portfoliov1.Transaction) bool {
		return tx.GetTransactionId() == vector.Correction.InsteadOf
	})
	for _, method := range methods {
		for name, interval := range vector.Intervals {
			want := right.calculate(interval, method)
			if got := others.with(correction...).calculate(interval, method); !same(got, want) {
				t.Errorf("%s under %s: got %v, want %v", name, method, got, want)
			}
			if wrong := others.with(correction[0]).calculate(interval, method); name != "1" && same(wrong, want) {
				t.Errorf("%s under %s: the uncorrected trade makes no difference", name, method)
			}
		}
	}
}

func TestATransferMovesLotsWithTheirCostAndTime(t *testing.T) {
	vector, books := worked(t)
	moved := books.with(validFromJSON[*portfoliov1.Transaction](t, vector.Transfer))
	for _, method := range methods {
		for name, interval := range vector.Intervals {
			// Which lots the disposals use up can change, because some are in another account.
			got, want := added(moved.calculate(interval, method)), added(books.calculate(interval, method))
			if !same(got, want) {
				t.Errorf("%s under %s: got %v, want %v", name, method, got, want)
			}
		}
		c := calculation{books: moved, pooled: method == average, choice: choices[method]}
		c.run(vector.Intervals["1"][0], vector.Intervals["1"][1])
		lots := c.lots[lotKey{"cold", "BNB"}]
		if len(lots) != 1 || lots[0].cost.Cmp(whole(500)) != 0 || lots[0].quantity.Cmp(rat("0.4")) != 0 ||
			!lots[0].acquired.Equal(books.holdings[1].GetAcquiredAt().AsTime()) {
			t.Errorf("under %s the lot is %v", method, lots)
		}
	}
}

func TestTheMeanEntryOfInverseContractsIsHarmonic(t *testing.T) {
	_, books := worked(t)
	held := &position{books.listings["acme:BTC-USD-PERP-BTC"], new(big.Rat), new(big.Rat), new(big.Rat)}
	held.open(whole(100), whole(50_000))
	held.open(whole(100), whole(40_000))
	checkFigure(t, "mean entry", held.entry, "44,444.44")
	checkFigure(t, "profit", held.profit(held.contracts, whole(42_000)), "-0.0261905")
	held.entry = whole(45_000)
	checkFigure(t, "profit from the arithmetic mean", held.profit(held.contracts, whole(42_000)), "-0.0317460")
}

func TestAMarginTierDeducts(t *testing.T) {
	vector, _ := worked(t)
	tier := validFromJSON[*venuesv1.MarginTier](t, vector.MarginTier)
	maintenance := sub(mul(whole(100_000), rat(tier.GetMaintenanceMarginRate())), rat(tier.GetDeduction()))
	checkFigure(t, "maintenance", maintenance, "450")
	byTier := add(mul(whole(50_000), rat("0.004")), mul(whole(50_000), rat("0.005")))
	checkFigure(t, "the same, tier by tier", byTier, "450")
}

// randomBooks makes books over 30 seconds, with far more in the first lots than all transactions dispose of.
func randomBooks(random *rand.Rand, example *books, start time.Time) *books {
	accounts, assets := []string{"main", "cold"}, []string{"BTC", "BNB", "USDT"}
	perp := "acme:BTC-USD-PERP-BTC"
	second := func() time.Time { return start.Add(time.Duration(random.Intn(30)) * time.Second) }
	price := func() *big.Rat { return whole(500 + random.Int63n(1500)) }
	amount := func() string { return big.NewRat(1+random.Int63n(1000), 1000).FloatString(3) }
	sign := func() string { return []string{"", "-"}[random.Intn(2)] }
	made := *example
	made.holdings, made.transactions, made.prices = nil, nil, map[string][]quote{}
	for _, name := range append(assets, perp) {
		made.prices[name] = []quote{{start, price()}}
		for range random.Intn(8) {
			made.prices[name] = append(made.prices[name], quote{second(), price()})
		}
	}
	for i, account := range append(accounts, accounts...) {
		for _, asset := range assets {
			acquired := timestamppb.New(start.Add(-time.Duration(random.Intn(100)+1) * time.Second))
			made.holdings = append(made.holdings, &portfoliov1.Lot{
				AccountId: account, AssetId: asset, AcquiredAt: acquired,
				RemainingQuantity: []string{"0.5", "1000"}[i/2], UnitCost: price().FloatString(0),
			})
		}
	}
	kinds := slices.Sorted(maps.Keys(components))
	for range 1 + random.Intn(12) {
		random.Shuffle(2, func(i, j int) { accounts[i], accounts[j] = accounts[j], accounts[i] })
		random.Shuffle(3, func(i, j int) { assets[i], assets[j] = assets[j], assets[i] })
		tx := &portfoliov1.Transaction{AccountId: accounts[0], Timestamp: timestamppb.New(second())}
		leg := &portfoliov1.TransactionLeg{AssetId: proto.String(assets[0]), Amount: sign() + amount()}
		tx.Legs = []*portfoliov1.TransactionLeg{leg}
		switch random.Intn(4) {
		case 0:
			tx.Type = portfoliov1.TransactionType_TRANSACTION_TYPE_TRADE
			tx.Legs = nil
			tx.Terms = &portfoliov1.TradeTerms{
				VenueSymbolId: &perp, Side: venuesv1.OrderSide(1 + random.Intn(2)),
				Quantity: fmt.Sprint(1 + random.Intn(100)), Price: proto.String(price().FloatString(0)),
			}
		case 1:
			tx.Type = portfoliov1.TransactionType_TRANSACTION_TYPE_TRADE
			leg.Amount = amount()
			other := &portfoliov1.TransactionLeg{AssetId: proto.String(assets[1]), Amount: "-" + amount()}
			tx.Legs = append(tx.Legs, other)
		case 2:
			tx.Type = portfoliov1.TransactionType_TRANSACTION_TYPE_TRANSFER
			leg.Amount = amount()
			sent := &portfoliov1.TransactionLeg{AssetId: leg.AssetId, Amount: "-" + leg.Amount}
			leg.AccountId = proto.String(accounts[1])
			tx.Legs = append(tx.Legs, sent)
		default:
			tx.Type = kinds[random.Intn(len(kinds))]
		}
		if random.Intn(2) == 0 {
			tx.Fees = []*venuesv1.Fee{{AssetId: proto.String(assets[2]), Amount: sign() + amount()}}
		}
		made.transactions = append(made.transactions, tx)
	}
	return &made
}

func TestComponentsSumToTheChangeOfEquityAndIntervalsAddUp(t *testing.T) {
	vector, example := worked(t)
	start := vector.Intervals["1"][0]
	end := start.Add(30 * time.Second)
	holds := func(made *books, split time.Time) bool {
		totals := map[string]bool{}
		for _, method := range methods {
			one := made.calculate([2]time.Time{start, split}, method)
			two := made.calculate([2]time.Time{split, end}, method)
			both := made.calculate([2]time.Time{start, end}, method)
			for _, found := range []map[string]*big.Rat{one, two, both} {
				change := sub(sub(found["end_equity"], found["start_equity"]), found["net_flows"])
				if found["total"].Cmp(change) != 0 || found["fees"].Sign() > 0 || found["rebates"].Sign() < 0 {
					return false
				}
			}
			one, two, both = added(one), added(two), added(both)
			for name := range both {
				if !strings.HasSuffix(name, "_equity") && add(one[name], two[name]).Cmp(both[name]) != 0 {
					t.Logf("%s does not add up under %s", name, method)
					return false
				}
			}
			totals[both["total"].String()] = true
		}
		return len(totals) == 1
	}
	values := func(values []reflect.Value, random *rand.Rand) {
		values[0] = reflect.ValueOf(randomBooks(random, example, start))
		values[1] = reflect.ValueOf(start.Add(time.Duration(1+random.Intn(29)) * time.Second))
	}
	if err := quick.Check(holds, &quick.Config{Values: values}); err != nil {
		t.Error(err)
	}
}
