// Package testdata holds files that several rooms test with, and embeds those that the demo
// needs: 300 orders as a merchant would export them, and finance's refunds of them, of
// which a few can't be made.
package testdata

import _ "embed"

//go:embed demo/orders.csv
var DemoOrders []byte

//go:embed demo/refunds.csv
var DemoRefunds []byte
