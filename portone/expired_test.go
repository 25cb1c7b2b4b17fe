package portone

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// TestExpiredToken reads the token that the server gets: in order but for its age.
func TestExpiredToken(t *testing.T) {
	p := newPeer(t, say(httpAnswer("401 Unauthorized", `{"message":"expired","status_code":"4010","status_reason":"UNAUTHORIZED"}`)))
	c := newClient(t, testConfig(p.url()))
	now := time.Now()
	fresh, err := c.Prepare(testRefund(), now)
	if err != nil {
		t.Fatal(err)
	}
	prep, err := c.PrepareExpired(testRefund(), now, 6*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if !prep.ExpiresAt.Equal(fresh.ExpiresAt) {
		t.Errorf("its outcome is waited for from %v, not %v", prep.ExpiresAt, fresh.ExpiresAt)
	}
	if a := c.Send(t.Context(), prep); a.Class != Refused || !a.Stop {
		t.Fatalf("got %+v", a)
	}
	if a := c.Send(t.Context(), prep); a.Class != Unknown || len(p.raw) != 1 {
		t.Errorf("sent twice: %+v", a)
	}
	r, err := http.ReadRequest(bufioReader(p.raw[0]))
	if err != nil {
		t.Fatal(err)
	}
	var claims jwt.RegisteredClaims
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return []byte(testSecret), nil },
		jwt.WithIssuer("PORTONE"), jwt.WithSubject(testKey), jwt.WithTimeFunc(func() time.Time { return now.Add(-10 * time.Second) })); err != nil {
		t.Errorf("but for its age it is not in order: %v", err)
	}
	if age := now.Sub(claims.ExpiresAt.Time); age < 6*time.Second || age >= 7*time.Second {
		t.Errorf("it expired %v ago", age)
	}
}
