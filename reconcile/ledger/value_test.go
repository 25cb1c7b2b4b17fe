package ledger

import (
	"encoding/json"
	"slices"
	"testing"
	"time"
	"unicode/utf8"
)

func FuzzStamp(f *testing.F) {
	f.Add(int64(0), int64(0))
	f.Add(int64(1_793_000_000), int64(999_999_999))
	f.Add(int64(-1), int64(1))
	f.Fuzz(func(t *testing.T, sec, nsec int64) {
		const lastYear = 253402300799 // the end of 9999, beyond which the width grows
		if sec < -62135596800 || sec > lastYear-1 || nsec < 0 || nsec >= 1e9 {
			return // no time that is ever written
		}
		in := time.Unix(sec, nsec).In(time.FixedZone("", 9*3600))
		v, err := at(in).Value()
		if err != nil {
			t.Fatal(err)
		}
		var out, fromPostgres stamp
		if in.IsZero() {
			if v != nil {
				t.Errorf("the zero time is stored as %v", v)
			}
			return
		}
		if len(v.(string)) != 27 {
			t.Errorf("%v has another width", v)
		}
		if err := out.Scan(v); err != nil {
			t.Fatal(err)
		}
		if err := fromPostgres.Scan(in.Truncate(time.Microsecond)); err != nil {
			t.Fatal(err)
		}
		if out != at(in) || fromPostgres != at(in) || !out.Equal(in.Truncate(time.Microsecond)) {
			t.Errorf("%v came back as %v and %v", in, out, fromPostgres)
		}
	})
}

func TestStampsSort(t *testing.T) {
	var texts []string
	for _, s := range []string{"1969-12-31T23:59:59.999999Z", "1970-01-01T00:00:00Z", "2026-11-03T08:59:59.9+09:00", "2026-11-03T00:00:00.000001Z", "2026-11-03T00:00:00.1Z"} {
		m, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		v, err := at(m).Value()
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, v.(string))
	}
	if !slices.IsSorted(texts) {
		t.Errorf("as text, times sort otherwise: %q", texts)
	}
	var s stamp
	for _, bad := range []any{"2026-11-03", "", int64(5)} {
		if err := s.Scan(bad); err == nil {
			t.Errorf("%v is read as a time", bad)
		}
	}
}

func FuzzText(f *testing.F) {
	f.Add("đứt\x00\xff")
	f.Fuzz(func(t *testing.T, s string) {
		out := text(s)
		if !utf8.ValidString(out) || slices.Contains([]byte(out), 0) {
			t.Errorf("%q becomes %q, which PostgreSQL refuses", s, out)
		}
		if utf8.ValidString(s) && !slices.Contains([]byte(s), 0) && out != s {
			t.Errorf("%q becomes %q", s, out)
		}
	})
}

func TestEvidence(t *testing.T) {
	for _, c := range []struct {
		in   evidence
		want string
	}{
		{nil, `null`},
		{evidence{}, `""`},
		{evidence(`{"a": 1.0}`), `"{\"a\": 1.0}"`},
		{evidence("\xff"), `{"base64":"/w=="}`},
		{evidence("a\x00"), `{"base64":"YQA="}`},
	} {
		b, err := json.Marshal(c.in)
		if err != nil || string(b) != c.want {
			t.Errorf("%q is kept as %s, want %s: %v", []byte(c.in), b, c.want, err)
		}
	}
}
