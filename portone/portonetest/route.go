package portonetest

import (
	"net/http"
	"net/url"
	"strings"
)

// A Route is one of PortOne's calls, named as the fault script names it.
type Route string

const (
	RoutePost     Route = "post"     // POST /api/refund/{order_ref}
	RouteGet      Route = "get"      // GET /api/refund/{order_ref}
	RouteStatus   Route = "status"   // GET /api/transaction/{merchant_order_ref}/status
	RouteDetails  Route = "details"  // POST /api/{key}/transaction-details
	RoutePayments Route = "payments" // POST /api/merchant/{key}/fetch-all-payments
	RouteOther    Route = "other"    // anything else: 404
)

// routeOf finds the route of a method and an escaped path, and the two things that
// a path can name. The path is taken as it came: nothing is cleaned or redirected,
// so that a reference that was escaped badly shows up as a wrong one.
func routeOf(method, path string) (route Route, ref, key string) {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for i, p := range parts {
		u, err := url.PathUnescape(p)
		if err != nil {
			return RouteOther, "", ""
		}
		parts[i] = u
	}
	if parts[0] != "api" {
		return RouteOther, "", ""
	}
	switch p := parts[1:]; {
	case len(p) == 2 && p[0] == "refund" && method == http.MethodPost:
		return RoutePost, p[1], ""
	case len(p) == 2 && p[0] == "refund" && method == http.MethodGet:
		return RouteGet, p[1], ""
	case len(p) == 3 && p[0] == "transaction" && p[2] == "status" && method == http.MethodGet:
		return RouteStatus, p[1], ""
	case len(p) == 2 && p[1] == "transaction-details" && method == http.MethodPost:
		return RouteDetails, "", p[0]
	case len(p) == 3 && p[0] == "merchant" && p[2] == "fetch-all-payments" && method == http.MethodPost:
		return RoutePayments, "", p[1]
	}
	return RouteOther, "", ""
}
