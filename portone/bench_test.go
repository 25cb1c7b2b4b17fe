package portone

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// benchList is a list of two refunds, as most are.
var benchList = strings.Replace(goodList, "[{", `[{"refund_id":"r0","psp_refund_id":"p0","amount":5,"currency":"THB","refund_status":"SUCCESS",`+
	`"refund_type":"partial","refund_reason":"ordered twice","refund_date":"2021-07-08T23:58:05.190121+05:30"},{`, 1)

// BenchmarkRefunds is to be held against BenchmarkBareGet, the least that net/http and
// encoding/json can do, in the same run.
func BenchmarkRefunds(b *testing.B) {
	cfg := testConfig(benchPeer(b))
	cfg.Rate, cfg.Burst = 1e5, 1e5
	c, err := New(cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if l, err := c.Refunds(b.Context(), "order1", "THB"); err != nil || len(l.Refunds) != 2 {
				b.Error(l, err)
			}
		}
	})
}

func BenchmarkBareGet(b *testing.B) {
	url := benchPeer(b)
	transport := &http.Transport{MaxIdleConnsPerHost: 64}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	type refund struct {
		ID       string      `json:"refund_id"`
		PSPID    string      `json:"psp_refund_id"`
		Amount   json.Number `json:"amount"`
		Currency string      `json:"currency"`
		Status   string      `json:"refund_status"`
		Type     string      `json:"refund_type"`
		Reason   string      `json:"refund_reason"`
		Date     string      `json:"refund_date"`
	}
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			res, err := client.Get(url + "/api/refund/order1")
			if err != nil {
				b.Error(err)
				return
			}
			var list struct {
				Remaining json.Number `json:"amountToRefund"`
				Refunds   []refund    `json:"refundDetails"`
			}
			if err := json.NewDecoder(res.Body).Decode(&list); err != nil || len(list.Refunds) != 2 {
				b.Error(list, err)
			}
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
	})
}

func benchPeer(b *testing.B) (url string) {
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(benchList)))
		io.WriteString(w, benchList)
	})}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go s.Serve(l)
	b.Cleanup(func() { s.Close() })
	return "http://" + l.Addr().String()
}

func BenchmarkParseList(b *testing.B) {
	body := []byte(benchList)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseList(body, "THB"); err != nil {
			b.Fatal(err)
		}
	}
}
