// Command cqc-example is a MarketData server that replays captured exchange traffic, and a client that rebuilds the
// order books.
//
//	cqc-example serve -data DIR -address HOST:PORT
//	cqc-example rebuild -address HOST:PORT
//	cqc-example version
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"

	cqc "github.com/Combine-Capital/cqc/packages/go-cqc"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "cqc-example:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("missing command: expected serve, rebuild or version")
	}
	flags := flag.NewFlagSet(args[0], flag.ExitOnError)
	address := flags.String(
		"address", "127.0.0.1:0", "serve: address to listen on, port 0 picks a free port; rebuild: server address")
	data := flags.String("data", "", "directory with one subdirectory per venue")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	switch args[0] {
	case "serve":
		return serve(*data, *address)
	case "rebuild":
		result, err := rebuild(*address)
		if err != nil {
			return err
		}
		return json.NewEncoder(os.Stdout).Encode(result)
	case "version":
		fmt.Println(cqc.Version())
		return nil
	default:
		return fmt.Errorf("unknown command %q: expected serve, rebuild or version", args[0])
	}
}
