package cqc_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// validating are the packages that evaluate rules. CEL more than doubles the size of a program that imports one.
var validating = []string{"validation", "interceptors", "server"}

func TestOnlyValidatingPackagesLinkCEL(t *testing.T) {
	const module = "github.com/Combine-Capital/cqc/packages/go-cqc"
	listed, err := exec.Command("go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, module+"/...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	seen := 0
	for line := range strings.Lines(string(listed)) {
		name, dependencies, _ := strings.Cut(strings.TrimSpace(line), " ")
		links := slices.ContainsFunc(strings.Fields(dependencies), func(path string) bool {
			return strings.HasPrefix(path, "github.com/google/cel-go/") || path == "buf.build/go/protovalidate"
		})
		expected := slices.Contains(validating, strings.TrimPrefix(name, module+"/"))
		if links && !expected {
			t.Errorf("%s links CEL: import package validation only in packages that validate", name)
		}
		if links {
			seen++
		}
	}
	if seen == 0 {
		t.Error("no package links CEL, so this test looks for the wrong dependency")
	}
}
