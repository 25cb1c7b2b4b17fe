package portone

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
)

func TestNewRefuses(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(c *Config)
		says  string
	}{
		"no URL":             {func(c *Config) { c.BaseURL = "" }, "https://api.portone.cloud"},
		"no host":            {func(c *Config) { c.BaseURL = "https://" }, "https://host"},
		"no scheme":          {func(c *Config) { c.BaseURL = "api.portone.cloud" }, "https://host"},
		"host and port":      {func(c *Config) { c.BaseURL = "localhost:8080" }, "https://host"},
		"ftp":                {func(c *Config) { c.BaseURL = "ftp://api.portone.cloud" }, "must be https"},
		"http abroad":        {func(c *Config) { c.BaseURL = "http://api.portone.cloud" }, "use https"},
		"http to localhost.": {func(c *Config) { c.BaseURL = "http://localhost.example.com" }, "use https"},
		"http to any":        {func(c *Config) { c.BaseURL = "http://0.0.0.0" }, "use https"},
		"password":           {func(c *Config) { c.BaseURL = "https://u:" + testSecret + "@api.portone.cloud" }, "no user"},
		"query":              {func(c *Config) { c.BaseURL = "https://api.portone.cloud?x=1" }, "query"},
		"no key":             {func(c *Config) { c.ClientKey = "" }, "no client key"},
		"key with newline":   {func(c *Config) { c.ClientKey = testKey + "\n" }, "newline"},
		"key with slash":     {func(c *Config) { c.ClientKey = "a/../b" }, "client key"},
		"key of dots":        {func(c *Config) { c.ClientKey = ".." }, "client key"},
		"no secret":          {func(c *Config) { c.SecretKey = "" }, "no secret key"},
		"secret newline":     {func(c *Config) { c.SecretKey = testSecret + "\n" }, "newline"},
		"environment":        {func(c *Config) { c.Environment = "Live" }, "neither"},
		"negative rate":      {func(c *Config) { c.Rate = -1 }, "rate"},
		"rate NaN":           {func(c *Config) { c.Rate = math.NaN() }, "rate"},
		"rate infinite":      {func(c *Config) { c.Rate = math.Inf(1) }, "rate"},
		"negative burst":     {func(c *Config) { c.Burst = -1 }, "burst"},
		"negative workers":   {func(c *Config) { c.Concurrency = -1 }, "concurrency"},
		"negative timeout":   {func(c *Config) { c.Timeout = -1 }, "time limit"},
		"token too short":    {func(c *Config) { c.Timeout, c.TokenTTL = 9*time.Second+1, 10*time.Second }, "1s more"},
		"token in parts":     {func(c *Config) { c.TokenTTL = 10500 * time.Millisecond }, "whole seconds"},
		"token for a day":    {func(c *Config) { c.TokenTTL = 24 * time.Hour }, "at most 1h"},
	} {
		cfg := testConfig("https://api.portone.cloud")
		tt.spoil(&cfg)
		_, err := New(cfg)
		if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), testSecret) || strings.Contains(err.Error(), testKey) {
			t.Errorf("%s: got %v, want %q in it", name, err, tt.says)
		}
	}
}

func TestNewTakes(t *testing.T) {
	for _, url := range []string{"https://api.portone.cloud", "https://api.portone.cloud/", "http://127.0.0.1:1", "http://127.9.9.9", "http://[::1]:1/x/", "http://LOCALHOST:1"} {
		if _, err := New(Config{BaseURL: url, ClientKey: testKey, SecretKey: testSecret}); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
	c := newClient(t, Config{BaseURL: "https://api.portone.cloud", ClientKey: testKey, SecretKey: testSecret})
	if c.cfg.Rate != 20 || c.cfg.Burst != 1 || c.cfg.Timeout != 30*time.Second || c.cfg.TokenTTL != time.Minute || c.cfg.Environment != Sandbox {
		t.Errorf("the defaults are %+v", c.cfg)
	}
	if c.http.Proxy != nil {
		t.Error("a proxy could send a request again")
	}
}

// TestSecretsStayHidden prints everything that holds a secret in every way there is.
func TestSecretsStayHidden(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	p := newPeer(t, say(httpAnswer("500 X", "")))
	cfg := testConfig(p.url())
	cfg.Log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	c := newClient(t, cfg)
	idle := newClient(t, cfg)
	prep, err := c.Prepare(testRefund(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	a := c.Send(t.Context(), prep)
	_, err1 := c.Refunds(t.Context(), "order1", "THB")
	_, err2 := c.Order(t.Context(), "order1")
	for _, v := range []any{cfg, &cfg, idle, *idle, prep, &prep, a, cfg.SecretKey, []any{cfg.SecretKey}, map[string]Secret{"x": cfg.SecretKey}, err1, err2} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
			fmt.Fprintf(&log, verb+"\n", v)
		}
		cfg.Log.Info("x", "v", v)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "v", v)
		if b, err := json.Marshal(v); err == nil {
			log.Write(b)
		}
	}
	out := log.String()
	for _, secret := range []string{testSecret, string(prep.ticket.token()), fmt.Sprintf("%x", testSecret), fmt.Sprintf("%X", testSecret)} {
		if i := strings.Index(out, secret); i >= 0 {
			t.Errorf("a secret is shown: …%s…", out[max(0, i-200):i+len(secret)])
		}
	}
	if !strings.Contains(out, "/api/{key}/transaction-details") || strings.Contains(out, "/api/"+testKey) {
		t.Error("the log shows the path with its key, or no path at all")
	}
	if n := strings.Count(out, `msg="portone call"`); n == 0 || n != strings.Count(out, `msg="portone answer"`) || n != len(p.raw) {
		t.Errorf("%d lines before a call, %d after, %d calls", n, strings.Count(out, `msg="portone answer"`), len(p.raw))
	}
}
