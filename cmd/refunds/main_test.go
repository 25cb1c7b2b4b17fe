package main

import (
	"os"
	"testing"
)

// childEnv makes this test binary be the program: so tests start, kill and race real
// processes without building anything.
const childEnv = "REFUNDS_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) != "" {
		main()
	}
	os.Exit(m.Run())
}
