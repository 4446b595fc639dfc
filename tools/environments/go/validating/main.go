// Command validating checks a message against the contracts' rules: its binary shows what that costs.
package main

import (
	"fmt"
	"os"

	marketsv1 "github.com/Combine-Capital/cqc/packages/go-cqc/markets/v1"
	"github.com/Combine-Capital/cqc/packages/go-cqc/validation"
)

func main() {
	violations, err := validation.Validate(&marketsv1.Price{})
	if err != nil {
		fmt.Fprintln(os.Stderr, "validating:", err)
		os.Exit(1)
	}
	fmt.Println(len(violations) > 0)
}
