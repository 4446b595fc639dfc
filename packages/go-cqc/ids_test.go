package cqc_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
)

type idParts struct {
	Type              string
	BaseAssetID       string `json:"base_asset_id"`
	QuoteAssetID      string `json:"quote_asset_id"`
	StrikeAssetID     string `json:"strike_asset_id"`
	SettlementAssetID string `json:"settlement_asset_id"`
	Expiry            *time.Time
	Strike            string
	OptionType        string `json:"option_type"`
	Variant           string
	Key               string
}

func (p idParts) parts() cqc.SymbolIDParts {
	parts := cqc.SymbolIDParts{
		Type:              marketsv1.SymbolType(marketsv1.SymbolType_value[p.Type]),
		BaseAssetID:       p.BaseAssetID,
		QuoteAssetID:      p.QuoteAssetID,
		StrikeAssetID:     p.StrikeAssetID,
		SettlementAssetID: p.SettlementAssetID,
		Strike:            p.Strike,
		OptionType:        marketsv1.OptionType(marketsv1.OptionType_value[p.OptionType]),
		Variant:           p.Variant,
		Key:               p.Key,
	}
	if p.Expiry != nil {
		parts.Expiry = timestamppb.New(*p.Expiry)
	}
	return parts
}

func sameParts(one, other cqc.SymbolIDParts) bool {
	sameExpiry := proto.Equal(one.Expiry, other.Expiry)
	one.Expiry, other.Expiry = nil, nil
	return sameExpiry && one == other
}

type idCase[P any] struct {
	ID     string
	Parts  P
	Part   string
	Legs   []json.RawMessage
	Symbol json.RawMessage
}

type idCases[P any] struct {
	Valid, Invalid, Unbuildable, Respelled []idCase[P]
}

type idVectors struct {
	SymbolIDs      idCases[idParts]  `json:"symbol_ids"`
	VenueSymbolIDs idCases[[]string] `json:"venue_symbol_ids"`
	Combos         idCases[any]
	Symbols        idCases[any]
}

func wantInvalid(t *testing.T, subject any, part string, err error) {
	t.Helper()
	var invalid *cqc.InvalidIDError
	if !errors.As(err, &invalid) || invalid.Part != part {
		t.Errorf("%q: got %v, want an invalid %s", subject, err, part)
	}
}

func TestSymbolIDs(t *testing.T) {
	cases := vectors[idVectors](t, "ids.json").SymbolIDs
	for _, item := range cases.Valid {
		if parts, err := cqc.ParseSymbolID(item.ID); err != nil || !sameParts(parts, item.Parts.parts()) {
			t.Errorf("%s: got %+v, %v", item.ID, parts, err)
		}
		if id, err := cqc.SymbolID(item.Parts.parts()); err != nil || id != item.ID {
			t.Errorf("%s: got %s, %v", item.ID, id, err)
		}
	}
	for _, item := range cases.Invalid {
		_, err := cqc.ParseSymbolID(item.ID)
		wantInvalid(t, item.ID, item.Part, err)
	}
	for _, item := range cases.Unbuildable {
		_, err := cqc.SymbolID(item.Parts.parts())
		wantInvalid(t, item.Parts, item.Part, err)
	}
	for _, item := range cases.Respelled {
		if id, err := cqc.SymbolID(item.Parts.parts()); err != nil || id != item.ID {
			t.Errorf("got %s, %v, want %s", id, err, item.ID)
		}
	}
}

func TestVenueSymbolIDs(t *testing.T) {
	cases := vectors[idVectors](t, "ids.json").VenueSymbolIDs
	for _, item := range cases.Valid {
		qualifier := strings.Join(item.Parts[2:], "")
		want := cqc.VenueSymbolIDParts{VenueID: item.Parts[0], SymbolID: item.Parts[1], Qualifier: qualifier}
		if parts, err := cqc.ParseVenueSymbolID(item.ID); err != nil || parts != want {
			t.Errorf("%s: got %+v, %v", item.ID, parts, err)
		}
		if id, err := cqc.VenueSymbolID(want.VenueID, want.SymbolID, want.Qualifier); err != nil || id != item.ID {
			t.Errorf("%s: got %s, %v", item.ID, id, err)
		}
	}
	for _, item := range cases.Invalid {
		_, err := cqc.ParseVenueSymbolID(item.ID)
		wantInvalid(t, item.ID, item.Part, err)
	}
}

func TestComboIDs(t *testing.T) {
	cases := vectors[idVectors](t, "ids.json").Combos
	legs := func(item idCase[any]) []*marketsv1.SymbolLeg {
		read := make([]*marketsv1.SymbolLeg, 0, len(item.Legs))
		for _, leg := range item.Legs {
			read = append(read, fromJSON(t, leg, &marketsv1.SymbolLeg{}))
		}
		return read
	}
	for _, item := range cases.Valid {
		if id, err := cqc.ComboID(legs(item)); err != nil || id != item.ID {
			t.Errorf("got %s, %v, want %s", id, err, item.ID)
		}
	}
	for _, item := range cases.Invalid {
		_, err := cqc.ComboID(legs(item))
		wantInvalid(t, item.Legs, item.Part, err)
	}
}

func TestSymbolIDOf(t *testing.T) {
	cases := vectors[idVectors](t, "ids.json").Symbols
	for _, item := range cases.Valid {
		if id, err := cqc.SymbolIDOf(fromJSON(t, item.Symbol, &marketsv1.Symbol{})); err != nil || id != item.ID {
			t.Errorf("got %s, %v, want %s", id, err, item.ID)
		}
	}
	for _, item := range cases.Invalid {
		_, err := cqc.SymbolIDOf(fromJSON(t, item.Symbol, &marketsv1.Symbol{}))
		wantInvalid(t, item.Symbol, item.Part, err)
	}
}

func FuzzSymbolIDs(f *testing.F) {
	cases := vectors[idVectors](f, "ids.json").SymbolIDs
	for _, item := range append(cases.Valid, cases.Invalid...) {
		f.Add(item.ID)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parts, err := cqc.ParseSymbolID(text)
		if err != nil {
			wantInvalidOf(t, err)
			return
		}
		if id, err := cqc.SymbolID(parts); err != nil || id != text {
			t.Errorf("%q was accepted, but its parts make %q, %v", text, id, err)
		}
	})
}

func FuzzSymbolIDParts(f *testing.F) {
	for number := range int32(10) {
		f.Add(number, "BTC", "USD", "USD", "BTC", int64(1735286400), "3000.50", int32(1), "DVOL", "ABCD")
		f.Add(number, "BTC", "USD", "", "", int64(0), "", int32(0), "", "")
		f.Add(number, "BTC", "", "USD", "BTC", int64(1735286400), "3000.50", int32(2), "", "")
		f.Add(number, "BTC", "USD", "", "BTC", int64(1735286400), "", int32(0), "", "")
		f.Add(number, "", "USD", "", "", int64(0), "", int32(0), "", "ABCD")
	}
	f.Fuzz(func(t *testing.T, kind int32, base, quote, strikeAsset, settlement string, expiry int64, strike string,
		right int32, variant, key string,
	) {
		parts := cqc.SymbolIDParts{
			Type: marketsv1.SymbolType(kind), BaseAssetID: base, QuoteAssetID: quote, StrikeAssetID: strikeAsset,
			SettlementAssetID: settlement, Strike: strike, OptionType: marketsv1.OptionType(right), Variant: variant, Key: key,
		}
		if expiry != 0 {
			parts.Expiry = &timestamppb.Timestamp{Seconds: expiry}
		}
		id, err := cqc.SymbolID(parts)
		if err != nil {
			wantInvalidOf(t, err)
			return
		}
		found, err := cqc.ParseSymbolID(id)
		if strings.Contains(parts.Strike, ".") {
			parts.Strike = strings.TrimSuffix(strings.TrimRight(parts.Strike, "0"), ".")
		}
		if err != nil || !sameParts(found, parts) {
			t.Errorf("%+v became %s, which states %+v, %v", parts, id, found, err)
		}
	})
}

func wantInvalidOf(t *testing.T, err error) {
	t.Helper()
	var invalid *cqc.InvalidIDError
	if !errors.As(err, &invalid) || invalid.Part == "" || invalid.Expected == "" {
		t.Errorf("got %v, want an InvalidIDError with its fields", err)
	}
}
