package portone

import "time"

// PrepareExpired is Prepare with a token that expired so long ago, for finding out whether PortOne
// refuses it on the refund route, which its guide does not say. If it does not, Send makes the
// refund. ExpiresAt is a living token's, so that whoever waits for the outcome waits long enough.
func (c *Client) PrepareExpired(r RefundRequest, now time.Time, ago time.Duration) (Prepared, error) {
	p, err := c.Prepare(r, now)
	if err != nil {
		return Prepared{}, err
	}
	token, _, err := c.sign(now.Add(-c.cfg.TokenTTL - ago))
	if err != nil {
		return Prepared{}, err
	}
	p.ticket = &ticket{token: func() Secret { return token }}
	return p, nil
}
