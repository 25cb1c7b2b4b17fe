package portone

import (
	"context"
	"testing"
)

func TestRefundsOverSocket(t *testing.T) {
	p := newPeer(t, say(httpAnswer("200 OK", goodList)))
	c := newClient(t, testConfig(p.url()))
	l, err := c.Refunds(context.Background(), "order1", "THB")
	if err != nil {
		t.Fatal(err)
	}
	if l.Remaining.String() != "888.88" || len(l.Refunds) != 1 || l.Refunds[0].Amount != thb111 {
		t.Errorf("got %+v", l)
	}
	if a := send(t, c); a.Class != Listed {
		t.Errorf("got %+v", a)
	}
}
