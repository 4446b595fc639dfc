// Command licences prints the SPDX licence of each module that it reads on standard input, as `go list -m -json` prints
// modules: one JSON object from module path to licence. It fails for a module whose licence is not recognised.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/google/licensecheck"
)

// Of a licence file's text, in percent, as pkg.go.dev requires it.
const recognised = 75

func main() {
	found := map[string]string{}
	decoder := json.NewDecoder(os.Stdin)
	for {
		var module struct{ Path, Dir string }
		err := decoder.Decode(&module)
		if errors.Is(err, io.EOF) {
			break
		}
		exitOn(err)
		found[module.Path], err = licence(module.Dir)
		if err != nil {
			exitOn(fmt.Errorf("%s: %w", module.Path, err))
		}
	}
	exitOn(json.NewEncoder(os.Stdout).Encode(found))
}

func exitOn(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

// licence returns the licences in the files at the top of a module, joined with AND.
func licence(dir string) (string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "LICEN[CS]E*"))
	if err != nil {
		return "", err
	}
	ids := []string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return "", err
		}
		coverage := licensecheck.Scan(text)
		if coverage.Percent < recognised {
			return "", fmt.Errorf("%s holds no licence that is recognised", file)
		}
		for _, match := range coverage.Match {
			ids = append(ids, match.ID)
		}
	}
	if len(ids) == 0 {
		return "", fmt.Errorf("there is no licence in %s", dir)
	}
	slices.Sort(ids)
	return strings.Join(slices.Compact(ids), " AND "), nil
}
