package cqc_test

import (
	stderrors "errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
	"github.com/Combine-Capital/cqc/packages/go-cqc/client"
	"github.com/Combine-Capital/cqc/packages/go-cqc/errors"
	servicesv1 "github.com/Combine-Capital/cqc/packages/go-cqc/services/v1"
)

// errorTypes has an entry for every exported error type of the module.
var errorTypes = map[string]func(*testing.T){
	"client.CertificateError":      survivesWrapping(&client.CertificateError{}),
	"client.OutcomeUnknownError":   survivesWrapping(&client.OutcomeUnknownError{}),
	"client.ProtocolError":         survivesWrapping(&client.ProtocolError{}),
	"cqc.BookError":                survivesWrapping(&cqc.BookError{}),
	"cqc.InvalidIDError":           survivesWrapping(&cqc.InvalidIDError{}),
	"cqc.UnitNotReconcilableError": survivesWrapping(&cqc.UnitNotReconcilableError{}),
	"cqc.UnknownEventError":        survivesWrapping(&cqc.UnknownEventError{}),
	"errors.ServiceError": survivesWrapping(
		errors.New(servicesv1.ErrorReason_ERROR_REASON_NO_DATA, "no book yet", "venue_symbol_id", "x")),
	"setting.Error": survivesWrapping(&client.SettingError{}),
}

func TestEveryErrorTypeSurvivesWrapping(t *testing.T) {
	for _, name := range slices.Sorted(maps.Keys(errorTypes)) {
		t.Run(name, errorTypes[name])
	}
	if got, want := slices.Sorted(maps.Keys(errorTypes)), declaredErrorTypes(t); !slices.Equal(got, want) {
		t.Errorf("errorTypes has\n%v\nbut the module declares\n%v: add what is missing", got, want)
	}
}

func survivesWrapping[E interface {
	error
	comparable
}](made E) func(*testing.T) {
	return func(t *testing.T) {
		text := made.Error()
		for name, err := range map[string]error{
			"itself":            made,
			"wrapped":           fmt.Errorf("outer: %w", made),
			"wrapped twice":     fmt.Errorf("outer: %w", fmt.Errorf("inner: %w", made)),
			"joined":            stderrors.Join(stderrors.New("another"), made),
			"joined, wrapped":   fmt.Errorf("outer: %w", stderrors.Join(made, stderrors.New("another"))),
			"one of several %w": fmt.Errorf("%w and %w", stderrors.New("another"), made),
		} {
			var found E
			if !stderrors.As(err, &found) || found != made || !stderrors.Is(err, made) || found.Error() != text {
				t.Errorf("%s: got %v from %v, want the same error", name, found, err)
			}
		}
	}
}

// declaredErrorTypes returns the exported types with a method `Error() string`, such as cqc.BookError, sorted.
func declaredErrorTypes(t *testing.T) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, declaration := range file.Decls {
			method, ok := declaration.(*ast.FuncDecl)
			if !ok || method.Recv == nil || method.Name.Name != "Error" || method.Type.Params.NumFields() != 0 {
				continue
			}
			receiver := method.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if named, ok := receiver.(*ast.Ident); ok && named.IsExported() {
				found = append(found, file.Name.Name+"."+named.Name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	return found
}
