// Package portonetest is a PortOne to try things on: a stateful server that
// refunds, refuses, lags and breaks down as it is told to.
package portonetest
