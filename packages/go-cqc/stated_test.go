package cqc_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	portfoliov1 "github.com/Combine-Capital/cqc/packages/go-cqc/portfolio/v1"
	venuesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/venues/v1"
)

func TestStatedAndAbsentIsCleared(t *testing.T) {
	old := &portfoliov1.Position{
		AccountId: "a", Quantity: proto.String("1"), LiquidationPrice: proto.String("50"),
		VenueFields: map[string]string{"/a": "1"},
	}
	listing := &marketsv1.NativeListing{VenueId: "okx", Symbol: "BTC-USDT-SWAP"}
	next := &portfoliov1.Position{
		AccountId: "a", NativeListing: listing, Quantity: proto.String("2"), UnrealizedPnl: proto.String("9"),
		Stated: &fieldmaskpb.FieldMask{Paths: []string{"liquidation_price", "quantity"}},
	}
	want := &portfoliov1.Position{
		AccountId: "a", NativeListing: listing, Quantity: proto.String("2"), VenueFields: map[string]string{"/a": "1"},
	}
	if got, err := cqc.ApplyStated(old, next); err != nil || !proto.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
	first, err := cqc.ApplyStated(nil, next)
	if err != nil || first.GetQuantity() != "2" || first.UnrealizedPnl != nil {
		t.Errorf("got %v, %v for the first message", first, err)
	}
	for _, path := range []string{"quantities", "market_context.mark", ""} {
		next.Stated.Paths = []string{path}
		if got, err := cqc.ApplyStated(old, next); err == nil {
			t.Errorf("%q: got %v, want an error", path, got)
		}
	}
}

func TestApplyStated(t *testing.T) {
	for seed := range uint64(200) {
		applyStated[*portfoliov1.Position](t, seed)
		applyStated[*marketsv1.Ticker](t, seed)
		applyStated[*marketsv1.OpenInterest](t, seed)
		applyStated[*marketsv1.FundingRate](t, seed)
		applyStated[*venuesv1.Balance](t, seed)
		applyStated[*venuesv1.AccountMargin](t, seed)
	}
}

// applyStated shows that stated fields are those of the new message, and the others those of the old one.
func applyStated[M cqc.Stated](t *testing.T, seed uint64) {
	t.Helper()
	source := rand.New(rand.NewPCG(seed, 0))
	old, next := filledMessage[M](source), filledMessage[M](source)
	fields := next.ProtoReflect().Descriptor().Fields()
	mask := fields.ByName("stated")
	whole := proto.Clone(next)
	if got, err := cqc.ApplyStated(old, next); err != nil || !proto.Equal(got, whole) {
		t.Fatalf("seed %d: got %v, %v without a mask, want %v", seed, got, err, whole)
	}
	stated := &fieldmaskpb.FieldMask{}
	for i := range fields.Len() {
		if fields.Get(i) != mask && source.IntN(3) == 0 {
			stated.Paths = append(stated.Paths, string(fields.Get(i).Name()))
		}
	}
	next.ProtoReflect().Set(mask, protoreflect.ValueOfMessage(stated.ProtoReflect()))
	result, err := cqc.ApplyStated(old, next)
	if err != nil || result.GetStated() != nil {
		t.Fatalf("seed %d: got %v, %v", seed, result, err)
	}
	identity := []protoreflect.Name{
		"position_id", "account_id", "asset_id", "asset_code", "all_assets", "type", "raw_type", "window", "raw_window",
		"venue_symbol_id", "native_listing", "received_at",
	}
	for i := range fields.Len() {
		field := fields.Get(i)
		if field == mask {
			continue
		}
		want := old.ProtoReflect()
		isKey := slices.Contains(identity, field.Name()) && next.ProtoReflect().Has(field)
		if isKey || slices.Contains(stated.GetPaths(), string(field.Name())) {
			want = next.ProtoReflect()
		}
		got := result.ProtoReflect()
		if got.Has(field) != want.Has(field) || got.Has(field) && !got.Get(field).Equal(want.Get(field)) {
			t.Errorf("seed %d: %s is %v, want %v", seed, field.FullName(), got.Get(field), want.Get(field))
		}
	}
}

// filledMessage returns a message with about half of its fields set.
func filledMessage[M proto.Message](source *rand.Rand) M {
	var none M
	message := none.ProtoReflect().New()
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Name() == "stated" || source.IntN(2) == 0 {
			continue
		}
		switch {
		case field.IsMap():
			message.Mutable(field).Map().Set(protoreflect.ValueOfString("/a").MapKey(), protoreflect.ValueOfString("1"))
		case field.IsList() && field.Message() != nil:
			message.Mutable(field).List().AppendMutable()
		case field.IsList():
			message.Mutable(field).List().Append(scalar(field, source))
		case field.Message() != nil:
			message.Mutable(field)
		default:
			message.Set(field, scalar(field, source))
		}
	}
	return message.Interface().(M)
}

func scalar(field protoreflect.FieldDescriptor, source *rand.Rand) protoreflect.Value {
	number := source.IntN(3)
	switch field.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString([]string{"", "1", "2"}[number])
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(number > 0)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(number))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(float64(number))
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(uint32(number))
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(uint64(number))
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(int32(number))
	default:
		return protoreflect.ValueOfInt64(int64(number))
	}
}
