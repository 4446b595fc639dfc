// Command pseudoversion prints the version that Go gives to an untagged commit.
//
//	pseudoversion -commit HASH -time UNIXSECONDS [-older v1.2.3]
package main

import (
	"flag"
	"fmt"
	"os"
	"time"

	"golang.org/x/mod/module"
	"golang.org/x/mod/semver"
)

func main() {
	commit := flag.String("commit", "", "hash of the commit")
	seconds := flag.Int64("time", 0, "commit time, seconds since 1970")
	older := flag.String("older", "", "highest release that the commit descends from")
	flag.Parse()
	if len(*commit) < 12 || (*older != "" && !semver.IsValid(*older)) {
		fmt.Fprintln(os.Stderr, "pseudoversion: -commit takes a whole hash and -older a version such as v1.2.3")
		os.Exit(2)
	}
	fmt.Println(module.PseudoVersion(semver.Major(*older), *older, time.Unix(*seconds, 0), (*commit)[:12]))
}
