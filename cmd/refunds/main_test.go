package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// childEnv makes this test binary be the program: so tests start, kill and race real
// processes without building anything.
const childEnv = "REFUNDS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	testscript.Main(m, map[string]func(){"refunds": main})
}
