package portonetest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"strings"
	"time"
)

// keyHeaders are the names under which PortOne takes the client key: the one of
// the guide, and the one from before the company changed its name.
var keyHeaders = []string{"X-Portone-Client-Key", "X-Chaipay-Client-Key"}

// authorize checks the client key and the token as of the request's arrival.
func (s *Server) authorize(c *call) *apiError {
	key := ""
	for _, name := range keyHeaders {
		if v := c.header.Get(name); v != "" {
			key = v
		}
	}
	switch {
	case key == "":
		return unauthorized("the client key header is missing")
	case key != s.cfg.ClientKey:
		return unauthorized("the client key is not known")
	case c.badToken != "":
		return unauthorized(c.badToken)
	case c.claims.Iss != "PORTONE":
		return unauthorized(`the token's iss is not "PORTONE"`)
	case c.claims.Sub != s.cfg.ClientKey:
		return unauthorized("the token's sub is not the client key")
	case c.claims.Exp == 0:
		return unauthorized("the token has no exp")
	case !s.cfg.IgnoreExpiry && !c.At.Before(time.Unix(c.claims.Exp, 0)):
		return unauthorized("the token is expired")
	}
	return nil
}

func unauthorized(message string) *apiError { return refuse("4010", message) }

type claims struct {
	Iss string `json:"iss"`
	Sub string `json:"sub"`
	Exp int64  `json:"exp"` // seconds, whole ones (guide)
}

// readToken checks the form and the HS256 signature of a bearer token. why is ""
// when both are right; the claims are what could be read.
func readToken(authorization string, secret []byte) (c claims, why string) {
	token, ok := strings.CutPrefix(authorization, "Bearer ")
	if !ok {
		return c, "the Authorization header is missing or not a bearer token"
	}
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return c, "the token is not a JWT"
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.DecodeString(p)
		if err != nil {
			return c, "the token is not a JWT"
		}
		raw[i] = b
	}
	var header struct {
		Alg string `json:"alg"`
	}
	if json.Unmarshal(raw[0], &header) != nil || json.Unmarshal(raw[1], &c) != nil {
		return c, "the token is not a JWT"
	}
	if header.Alg != "HS256" {
		return c, "the token is not signed with HS256"
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(parts[0] + "." + parts[1]))
	if !hmac.Equal(mac.Sum(nil), raw[2]) {
		return c, "the token's signature is wrong"
	}
	return c, ""
}
